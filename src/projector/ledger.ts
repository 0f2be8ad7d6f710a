/**
 * The delivery ledger: what each node was sent, acknowledged and refused (design, section 9). Not in the log, one per replica, in
 * an environment of its own (`ledger/`).
 *
 * Durability is relaxed on purpose: steps are gathered for 2 s, under load for up to 15 s, and written without waiting for the disk, so
 * a crash loses the last seconds, and a damaged ledger is begun anew. Nothing is decided from it.
 *
 * Bounds: eight steps per node and resource; 7 days, and 1,000,000 resources of nodes (above that the horizon is halved until they
 * fit); 100,000 steps that wait to be written (the oldest go); 100,000 nodes in memory. All are counted.
 */
import { type DiskGuard, type Environment, openEnvironment, type StoreLogger, type Table } from '../store/index.ts';
import { momentOf, type ResourceKey, type Ring } from './ledger-moment.ts';
import { encodeNode, LedgerNodes, MAX_NODES } from './ledger-nodes.ts';
import { decodeRing, encodeRing, extendRing, type LedgerStep, rowOf, stepOf } from './ledger-ring.ts';
import { LedgerWaiting } from './ledger-waiting.ts';
import { nextTurn } from './turns.ts';
import type { DeliveryGroup, DeliveryReport, LedgerMoment, LedgerNode, LedgerRow } from './types.ts';

export const LEDGER_SCHEMA = { name: 'tendril-ledger', version: 1 } as const;
const KEEP_MS = 7 * 24 * 3_600_000;
const FLUSH_MS = 2_000;
/** Steps that are written at the next look; more wait for what follows them. */
const FEW_STEPS = 500;
/** Longest pause between two writes. */
const MAX_REST_MS = 15_000;
const SWEEP_MS = 3_600_000;
const MAX_RESOURCES = 1_000_000;
const MAX_WAITING = 100_000;
const KEYS_PER_TURN = 500;
/** LMDB's bound for keys, with room for its own separators. */
const MAX_KEY_LENGTH = 1_500;
const UNFIT = /\p{Cc}/u;

export interface LedgerOptions {
  /** Data directory; the ledger lies in its folder `ledger`. */
  readonly dir: string;
  readonly mesh: string;
  readonly clock: { now(): number };
  readonly logger?: StoreLogger;
  /** Asked before each write: LMDB must never meet a full disk. */
  readonly guard?: DiskGuard;
  /** Largest number of resources of nodes (default 1,000,000). */
  readonly maxResources?: number;
}

export class Ledger {
  /** Steps taken in, steps of names that cannot be keys, resources removed by age or number, writes that failed. */
  readonly counters = { recorded: 0, ignored: 0, swept: 0, failed: 0 };
  readonly #options: LedgerOptions;
  readonly #environment: Environment;
  readonly #resources: Table<ResourceKey>;
  readonly #stored: Table<string>;
  readonly #nodes = new LedgerNodes();
  readonly #timers: readonly NodeJS.Timeout[];
  /** Before this time, performance.now(), nothing is written of its own accord. */
  #restUntil = 0;
  /** Looks since the last write at which more than a few steps waited. */
  #waitedTurns = 0;
  readonly #waiting = new LedgerWaiting(MAX_WAITING);
  #writing: Promise<void> = Promise.resolve();

  private constructor(options: LedgerOptions, environment: Environment) {
    this.#options = options;
    this.#environment = environment;
    this.#resources = environment.table('resource');
    this.#stored = environment.table('node');
    for (const { key, body } of this.#stored.range({ limit: MAX_NODES })) this.#nodes.load(key, body);
    this.#timers = [
      setInterval(() => this.#flushInTime(), FLUSH_MS).unref(),
      setInterval(() => void this.sweep(), SWEEP_MS).unref(),
    ];
  }

  /** @throws TendrilError as `openEnvironment`; a damaged ledger is begun anew. */
  static async open(options: LedgerOptions): Promise<Ledger> {
    const { dir, mesh, logger, guard } = options;
    const environment = await openEnvironment({
      dir,
      mesh,
      name: 'ledger',
      schema: LEDGER_SCHEMA,
      mode: 'visible',
      derived: true,
      ...(logger === undefined ? {} : { logger }),
      ...(guard === undefined ? {} : { guard }),
    });
    return new Ledger(options, environment);
  }

  /** Takes a report in; it is written later. Never fails. */
  record({ nodes, groups }: DeliveryReport): void {
    const fit = nodes.map(([id]) => id !== '' && !UNFIT.test(id));
    for (const group of groups) this.#take(group, nodes, fit);
    this.#waiting.trim();
  }

  /** Steps dropped at the bound of those that wait. */
  get dropped(): number {
    return this.#waiting.dropped;
  }

  /** What is known of a node; undefined: never heard of, or not for 7 days. */
  summary(node: string): LedgerNode | undefined {
    return this.#nodes.get(node);
  }

  /** What the node was last told of each resource, by type and name. */
  deliveries(node: string): readonly LedgerRow[] {
    return this.#rings(node).flatMap(({ key: [, type, name], steps }) => rowOf(type, name, steps) ?? []);
  }

  /**
   * What the node held at a moment, ms since the epoch; undefined: the ledger does not know the node. What it was last told of more than
   * 7 days ago is not among it.
   */
  heldAt(node: string, at: number): LedgerMoment | undefined {
    const known = this.#nodes.get(node);
    if (known === undefined) return undefined;
    const rings = this.#rings(node);
    const from = Math.max(
      this.#horizon(),
      known.since ?? Math.min(...rings.flatMap(({ steps }) => steps[0]?.at ?? [])),
    );
    return { caller: known.caller, ...momentOf(at >= from ? rings : [], at), known: at >= from, from };
  }

  /** By type and name. */
  #rings(node: string): readonly Ring[] {
    const rings = new Map<string, Ring>();
    for (const { key, body } of this.#range(node)) rings.set(key.join('\n'), { key, steps: decodeRing(body) });
    for (const { type, name, steps } of this.#waiting.ofNode(node)) {
      const key: ResourceKey = [node, type, name];
      const id = key.join('\n');
      rings.set(id, { key, steps: extendRing(rings.get(id)?.steps ?? [], steps, this.#horizon()) });
    }
    return [...rings.keys()].sort().flatMap((id) => rings.get(id) ?? []);
  }

  /** The files beneath it. */
  get storage(): Environment {
    return this.#environment;
  }

  /** The latest steps of one resource on a node, oldest first. */
  steps(node: string, type: string, name: string): readonly LedgerStep[] {
    const body = this.#resources.get([node, type, name]);
    const waiting = this.#waiting.get(node, type, name);
    return extendRing(body === undefined ? [] : decodeRing(body), waiting, this.#horizon());
  }

  /** Writes what waits. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#flush()).catch((error: unknown) => this.#failed(error));
    return this.#writing;
  }

  /** Removes what is too old or too much. */
  sweep(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#sweep()).catch((error: unknown) => this.#failed(error));
    return this.#writing;
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.flush();
    await this.#environment.close();
  }

  /** `fit`: whether a node's id can be a key. */
  #take(group: DeliveryGroup, nodes: DeliveryReport['nodes'], fit: readonly boolean[]): void {
    const { type, name, event, steps } = group;
    if (name === '' || UNFIT.test(name)) {
      this.counters.ignored += steps.length / 2;
      return;
    }
    const resource = this.#waiting.of(type, name);
    let step: LedgerStep | undefined;
    for (let at = 0; at + 1 < steps.length; at += 2) {
      const place = steps[at] ?? -1;
      const [node, caller] = nodes[place] ?? ['', ''];
      if (fit[place] !== true || node.length + name.length > MAX_KEY_LENGTH / 3) {
        this.counters.ignored++;
        continue;
      }
      this.counters.recorded++;
      const time = group.at + (steps[at + 1] ?? 0);
      // What happened in the same millisecond is the same step.
      if (step?.at !== time) step = stepOf(group, time);
      this.#waiting.add(resource, node, step);
      this.#nodes.note(node, caller, event, time);
    }
  }

  #horizon(): number {
    return this.#options.clock.now() - KEEP_MS;
  }

  #range(node: string): Iterable<{ readonly key: ResourceKey; readonly body: Buffer }> {
    return this.#resources.range({ start: [node, '\u0001', '\u0001'], end: [node, '\uffff', '\uffff'] });
  }

  /** Writes what waits; after a write that took long, not before a while: at most a twentieth of the time goes into it. */
  #flushInTime(): void {
    const begun = performance.now();
    if (begun < this.#restUntil || this.#waiting.size === 0) return;
    // Many steps are of few resources: what comes in the next seconds goes into the same records.
    this.#waitedTurns++;
    if (
      this.#waiting.size > FEW_STEPS &&
      this.#waiting.size < MAX_WAITING / 2 &&
      this.#waitedTurns * FLUSH_MS < MAX_REST_MS
    )
      return;
    this.#waitedTurns = 0;
    void this.flush().then(() => {
      const took = performance.now() - begun;
      this.#restUntil = performance.now() + Math.min(MAX_REST_MS, took * 20);
    });
  }

  async #flush(): Promise<void> {
    const waiting = this.#waiting.take();
    const horizon = this.#horizon();
    try {
      for (let at = 0; at < waiting.length; at += KEYS_PER_TURN) {
        const part = waiting.slice(at, at + KEYS_PER_TURN);
        this.#environment.refresh();
        await this.#environment.commit((batch) => {
          for (const { node, type, name, steps } of part) {
            const key: ResourceKey = [node, type, name];
            const body = this.#resources.peek(key);
            const ring = extendRing(body === undefined ? [] : decodeRing(body), steps, horizon);
            if (ring.length > 0) batch.put(this.#resources, key, encodeRing(ring));
          }
        });
        this.#environment.refresh();
        this.#waiting.landed(part);
      }
    } finally {
      this.#waiting.putBack();
    }
    await this.#writeNodes();
  }

  async #writeNodes(): Promise<void> {
    const touched = this.#nodes.takeTouched();
    for (let at = 0; at < touched.length; at += KEYS_PER_TURN) {
      await this.#environment.commit((batch) => {
        for (const node of touched.slice(at, at + KEYS_PER_TURN)) {
          const known = this.#nodes.get(node);
          if (known === undefined) batch.remove(this.#stored, node);
          else batch.put(this.#stored, node, encodeNode(known));
        }
      });
    }
  }

  async #sweep(): Promise<void> {
    const most = this.#options.maxResources ?? MAX_RESOURCES;
    for (let keep = KEEP_MS; ; keep /= 2) {
      const horizon = this.#options.clock.now() - keep;
      await this.#sweepResources(horizon);
      await this.#sweepNodes(horizon, keep < KEEP_MS);
      this.#environment.refresh();
      if (this.#resources.count() <= most || keep < 1) return;
    }
  }

  async #sweepResources(horizon: number): Promise<void> {
    let last: ResourceKey | undefined;
    for (;;) {
      this.#environment.refresh();
      const page = [...this.#resources.range({ ...(last === undefined ? {} : { start: last }), limit: KEYS_PER_TURN })];
      const old = page.filter(({ body }) => (decodeRing(body).at(-1)?.at ?? 0) < horizon);
      if (old.length > 0) {
        await this.#environment.commit((batch) => {
          for (const { key } of old) batch.remove(this.#resources, key);
        });
        this.counters.swept += old.length;
      }
      if (page.length < KEYS_PER_TURN) return;
      last = page.at(-1)?.key;
      await nextTurn();
    }
  }

  async #sweepNodes(horizon: number, isEarly: boolean): Promise<void> {
    this.#nodes.forget(horizon, isEarly);
    await this.#writeNodes();
  }

  /** Nothing is decided from the ledger: it goes on in memory, and says so. */
  #failed(error: unknown): void {
    this.counters.failed++;
    this.#options.logger?.warn({ err: error }, 'the delivery ledger cannot be written');
  }
}
