/**
 * What a full mesh would be to a sidecar: clusters, assignments and virtual hosts of all services that its namespace may see, from the
 * really compiled bytes.
 *
 * Everything is measured once, in slices, and what a commit changes is measured again: an answer costs a walk over the services, not
 * over their resources. Memory: a number per shared resource.
 */
import type { Projector, StoredResource } from '../projector/index.ts';
import { isMeasured, wireBytes } from './wire-bytes.ts';

type Changes = ReadonlyMap<string, StoredResource | undefined>;

const PER_TURN = 128;
/** Changed resources looked at in one turn: some milliseconds. A derivation of no more is done at once. */
const CHANGES_PER_TURN = 2_048;
/** Derivations that wait to be looked at; when more do, the oldest are finished at once: the core takes the time, and nothing is lost. */
const MAX_WAITING = 8;

export interface FullMesh {
  readonly resources: number;
  readonly bytes: number;
}

export interface MeshTotals {
  /** Service ports of the mesh. */
  readonly servicePorts: number;
  /** Of all services, whoever may see them. */
  readonly fullPushBytes: number;
  /** Of services that the whole mesh may see. */
  readonly common: FullMesh;
  /** What a sidecar of a namespace would hold. */
  of(namespace: string): FullMesh;
}

type Sum = { resources: number; bytes: number };

const zero = (): Sum => ({ resources: 0, bytes: 0 });

const add = (sum: Sum, { resources, bytes }: FullMesh): void => {
  sum.resources += resources;
  sum.bytes += bytes;
};

/** `<service>.<namespace>` of `<service>.<namespace>:<port>[/<subset>]`. */
const serviceOf = (name: string): string => name.slice(0, name.indexOf(':'));

export class MeshTotalsReader {
  readonly #projector: Projector;
  /** Resource key -> bytes. */
  readonly #bytes = new Map<string, number>();
  readonly #services = new Map<string, Sum>();
  #measured: Promise<void> | undefined;
  #isMeasured = false;
  #revision = 0;
  /** Removed while the mesh is measured: what is committed may have them still. */
  readonly #removed = new Set<string>();
  /** Derivations to look at, the oldest first: each may change everything. */
  readonly #waiting: Changes[] = [];
  /** At work on the oldest; undefined: none waits. */
  #looking: { readonly steps: Generator<void, void>; readonly done: Promise<void> } | undefined;
  /** Told of each derivation, in their order: bytes of those resources changed that the whole mesh may see. */
  onChanged: ((commonBytes: number) => void) | undefined;
  #known: { readonly revision: number; readonly epoch: number; readonly totals: MeshTotals } | undefined;

  constructor(projector: Projector) {
    this.#projector = projector;
    projector.onResources((changes) => this.#changed(changes));
  }

  /** Begins to measure what there is, if that has not begun. */
  measure(): Promise<void> {
    this.#measured ??= this.#measureAll().then(() => {
      this.#isMeasured = true;
    });
    return this.#measured;
  }

  /** The totals, if all is measured: nothing waits for that in vain. */
  now(): MeshTotals | undefined {
    return this.#isMeasured ? this.#totals() : undefined;
  }

  /** Measures what there is, but waits no longer than `ms`; `now` tells whether it is done. */
  async soon(ms: number): Promise<void> {
    if (this.#isMeasured) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([this.measure(), late]);
    clearTimeout(timer);
  }

  async read(): Promise<MeshTotals> {
    await this.measure();
    await this.#looking?.done;
    return this.#totals();
  }

  #totals(): MeshTotals {
    const { epoch } = this.#projector.notice;
    if (this.#known?.revision === this.#revision && this.#known.epoch === epoch) return this.#known.totals;
    const totals = this.#sumUp();
    this.#known = { revision: this.#revision, epoch, totals };
    return totals;
  }

  #changed(changes: Changes): void {
    this.#waiting.push(changes);
    if (this.#looking === undefined) {
      const steps = this.#look();
      if (changes.size <= CHANGES_PER_TURN) {
        while (steps.next().done !== true);
        return;
      }
      this.#looking = { steps, done: this.#lookInTurns(steps) };
    }
    while (this.#waiting.length > MAX_WAITING) this.#looking.steps.next();
  }

  async #lookInTurns(steps: Generator<void, void>): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve));
    while (steps.next().done !== true);
    this.#looking = undefined;
  }

  /** A step is a turn's worth at most. */
  *#look(): Generator<void, void> {
    for (let changes = this.#waiting[0]; changes !== undefined; changes = this.#waiting[0]) {
      yield* this.#lookAt(changes);
      this.#waiting.shift();
    }
  }

  *#lookAt(changes: Changes): Generator<void, void> {
    let common = 0;
    let inTurn = 0;
    for (const [key, resource] of changes) {
      const measured = this.#set(key, resource);
      if (resource === undefined) {
        if (this.#measured !== undefined && !this.#isMeasured) this.#removed.add(key);
      } else if (measured !== undefined && this.#projector.fold.service(measured.service)?.visibility === 'mesh')
        common += measured.bytes;
      if (++inTurn % CHANGES_PER_TURN === 0) yield;
    }
    this.onChanged?.(common);
  }

  async #measureAll(): Promise<void> {
    const keys = this.#projector.sharedKeys();
    for (let at = 0; at < keys.length; at += PER_TURN) {
      for (const key of keys.slice(at, at + PER_TURN)) {
        // What changed meanwhile is measured already, or gone.
        if (!this.#bytes.has(key) && !this.#removed.has(key)) this.#set(key, this.#projector.sharedResource(key));
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#removed.clear();
  }

  /** Undefined: it is not measured. */
  #set(
    key: string,
    resource: StoredResource | undefined,
  ): { readonly service: string; readonly bytes: number } | undefined {
    const [type = '', variant = '', name = ''] = key.split('|');
    if (variant !== '' || !isMeasured(type)) return undefined;
    this.#revision++;
    const before = this.#bytes.get(key);
    const after = resource === undefined ? undefined : wireBytes(type, name, resource);
    const service = serviceOf(name);
    const sum = this.#services.get(service) ?? zero();
    sum.bytes += (after ?? 0) - (before ?? 0);
    sum.resources += (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    if (sum.resources === 0) this.#services.delete(service);
    else this.#services.set(service, sum);
    if (after === undefined) this.#bytes.delete(key);
    else this.#bytes.set(key, after);
    return { service, bytes: after ?? 0 };
  }

  #sumUp(): MeshTotals {
    const { fold } = this.#projector;
    const common = zero();
    const all = zero();
    const extra = new Map<string, Sum>();
    let servicePorts = 0;
    for (const name of fold.serviceNames()) {
      const service = fold.service(name);
      if (service === undefined) continue;
      servicePorts += service.ports.length;
      const sum = this.#services.get(name);
      if (sum === undefined) continue;
      add(all, sum);
      const { visibility, namespace } = service;
      if (visibility === 'mesh') {
        add(common, sum);
        continue;
      }
      for (const seer of new Set([namespace, ...(visibility === 'namespace' ? [] : visibility)])) {
        const seen = extra.get(seer) ?? zero();
        add(seen, sum);
        extra.set(seer, seen);
      }
    }
    return {
      servicePorts,
      fullPushBytes: all.bytes,
      common,
      of: (namespace) => {
        const own = extra.get(namespace) ?? zero();
        return { resources: common.resources + own.resources, bytes: common.bytes + own.bytes };
      },
    };
  }
}
