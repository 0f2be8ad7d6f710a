/**
 * The folded state as it was at an offset, loaded as far as somebody looks. `read` runs a look over what is loaded; where the look met
 * something that is not, that is loaded and the look runs again. So a look must not change anything, and what it gives or throws counts
 * only when all that it met was there.
 *
 * Invariant: what is loaded is of then and stays (entities are only added), so looks of several questions may take turns.
 *
 * Bounds: a look is ended and run again after `MAX_MISSING` things that are not there; `MAX_WAITING` loads wait for their turn, more are
 * refused (`STATE_BUSY`).
 */
import { serviceName } from '../../model/index.ts';
import type { MeshState } from '../fold/mesh-state.ts';
import type { StateCounts } from '../fold/types.ts';
import { nextTurn } from '../turns.ts';
import { countsAt } from './past-counts.ts';
import { PastEntities, type PastEntitiesOptions, rawKeysSince } from './past-entities.ts';
import { type Place, placeOf } from './past-mesh.ts';
import { Turns } from './past-turns.ts';
import { Enough, type Family, type StateThen, stateThen } from './state-then.ts';

const MAX_MISSING = 256;
const MAX_WAITING = 64;

export class PastState {
  /** The offset that was asked for. */
  readonly offset: number;
  /** Of the event at the offset, ms since the epoch; 0 before the first one. */
  readonly recordedAt: number;
  readonly #options: PastEntitiesOptions;
  readonly #entities: PastEntities;
  #counts: StateCounts | undefined;
  readonly #state: MeshState;
  readonly #turns: Turns;
  readonly #loaded = new Set<string>();
  /** Candidates: keys of now, and of what was taken away since. */
  readonly #names = new Map<string, readonly string[]>();

  private constructor(options: PastEntitiesOptions, place: Place, onRefused: () => void) {
    this.offset = place.offset;
    this.recordedAt = place.recordedAt;
    this.#options = options;
    this.#entities = new PastEntities(options, place.upTo);
    this.#state = this.#entities.reads.scratch();
    this.#turns = new Turns(MAX_WAITING, 'questions about this moment', onRefused);
  }

  /** @throws TendrilError `OFFSET_GONE` when events that are needed are no longer in the log */
  static async open(options: PastEntitiesOptions, at: number, onRefused: () => void): Promise<PastState> {
    const state = new PastState(options, await placeOf(options, at), onRefused);
    const mesh = await state.#entities.mesh();
    if (mesh !== undefined) state.#state.mesh.load('mesh', mesh);
    return state;
  }

  /**
   * How many entities there were.
   * @throws TendrilError `STATE_BUSY`, `OFFSET_GONE`
   */
  async counts(): Promise<StateCounts> {
    this.#counts ??= await this.#turns.take(() => countsAt(this.#options, this.#entities.reads.at));
    return this.#counts;
  }

  /** Entities one by one, for who knows which. */
  get entities(): PastEntities {
    return this.#entities;
  }

  /**
   * What `look` gives when all it reads is loaded.
   * @throws TendrilError `STATE_BUSY`, `OFFSET_GONE`, and what `look` throws
   */
  async read<T>(look: (then: StateThen) => T | Promise<T>): Promise<T> {
    for (;;) {
      const missing = new Set<string>();
      const then = stateThen({ offset: this.offset, state: this.#state, names: this.#names }, (need) => {
        if (this.#loaded.has(need)) return true;
        missing.add(need);
        if (missing.size >= MAX_MISSING) throw new Enough();
        return false;
      });
      let result: { readonly value: T } | { readonly error: unknown };
      try {
        result = { value: await look(then) };
      } catch (error) {
        result = { error };
      }
      if (missing.size === 0) {
        if ('value' in result) return result.value;
        throw result.error;
      }
      await this.#turns.take(() => this.#load(missing));
    }
  }

  async #load(missing: ReadonlySet<string>): Promise<void> {
    const wanted = new Map<Family, string[]>();
    for (const need of missing) {
      if (this.#loaded.has(need)) continue;
      const space = need.indexOf(' ');
      const family = need.slice(0, space) as Family;
      wanted.set(family, [...(wanted.get(family) ?? []), need.slice(space + 1)]);
    }
    const of = (family: Family): readonly string[] => wanted.get(family) ?? [];
    const state = this.#state;
    for (const name of of('names')) this.#names.set(name, await this.#candidates(name));
    const kinds = of('kind');
    const keys = new Set(of('pol'));
    for (const kind of kinds) for (const key of await this.#candidates(`pol/${kind}/`)) keys.add(key);
    const fresh = [...keys].filter((key) => !this.#loaded.has(`pol ${key}`));
    for (const [key, policy] of await this.#entities.policies(fresh)) {
      if (policy !== undefined) state.policies.load(key, policy);
      this.#loaded.add(`pol ${key}`);
    }
    for (const [name, service] of await this.#entities.services(of('svc')))
      if (service !== undefined) state.services.load(name, service);
    for (const [key, raw] of await this.#entities.raws(of('raw'))) if (raw !== undefined) state.raw.load(key, raw);
    for (const name of of('eps')) {
      const endpoints = await this.#entities.endpoints(name);
      if (endpoints !== undefined) state.endpoints.load(name, endpoints);
    }
    for (const need of missing) this.#loaded.add(need);
    await nextTurn();
  }

  /** Keys of entities, without the prefix's family, that may have been there then; sorted. */
  async #candidates(prefix: string): Promise<readonly string[]> {
    const entities = this.#entities;
    const family = prefix.slice(0, prefix.indexOf('/') + 1);
    const names = new Set(entities.keysNow(prefix).map((key) => key.slice(family.length)));
    if (family === 'svc/') for (const { data } of await entities.removals('service')) names.add(serviceOf(data));
    else if (family === 'pol/')
      for (const { subject } of await entities.removals(`policy/${prefix.split('/')[1]}`))
        names.add(subject.slice('policy/'.length));
    else
      for (const key of await rawKeysSince(entities)) if (key.startsWith(prefix.slice(family.length))) names.add(key);
    return [...names].sort();
  }
}

const serviceOf = (data: unknown): string => {
  const { namespace, name } = data as { readonly namespace?: unknown; readonly name?: unknown };
  return serviceName(String(namespace), String(name));
};
