/**
 * Last good configurations on disk: an LMDB environment of checked records, written behind in batches.
 *
 * Bound: changes are joined by key while they wait, so there are never more than resources. A disk that is full, and a folder that cannot
 * be used, cost the copy on disk and nothing else: the reason stands in `problem`.
 */
import { TendrilError } from '../../model/basics.ts';
import { type CacheProblem, cacheProblemFrom } from '../../sidecar-client/index.ts';
import {
  type Batch,
  createDiskGuard,
  type DiskGuard,
  type Environment,
  openEnvironment,
  type StoreLogger,
  type Table,
  type TableKey,
} from '../../store/index.ts';
import { type CopyTimes, decodeTimes, encodeTimes } from './age.ts';
import type { LastGoodStore } from './last-good.ts';

export interface ResourceStoreOptions {
  /** The environment lies in its folder `relay`, made with mode 0700, files 0600. `dir` itself keeps its rights where it exists. */
  readonly dir: string;
  /** A folder of another mesh is refused. */
  readonly mesh: string;
  readonly logger?: StoreLogger;
  /** Bytes of the disk that stay free, default 16 MiB. */
  readonly reserveBytes?: number;
  /** How long changes are gathered, ms; default 100. */
  readonly flushMs?: number;
}

type Key = readonly [node: string, typeUrl: string, name: string];
type NodeKey = readonly [node: string];

interface Change<K extends TableKey> {
  readonly key: K;
  /** Undefined: it is removed. */
  readonly raw: Uint8Array | undefined;
}

const NAME = 'relay';
const SCHEMA = { name: 'tendril-relay-cache', version: 1 } as const;
const FLUSH_MS = 100;
const RETRY_MS = 1_000;
const RESERVE_BYTES = 16 * 2 ** 20;
const COMMIT_OPERATIONS = 5_000;

export class ResourceStore implements LastGoodStore {
  readonly path: string;
  /** Why there is no copy on disk, or an older one than memory has; undefined: all is well. */
  problem: CacheProblem | undefined;
  /** Why the content found at the start was thrown away; undefined: it was not. */
  readonly emptied: string | undefined;
  readonly #environment: Environment;
  readonly #guard: DiskGuard;
  readonly #table: Table<Key>;
  readonly #nodes: Table<NodeKey>;
  readonly #flushMs: number;
  readonly #waiting = new Map<string, Change<Key>>();
  /** Of nodes: few. */
  readonly #waitingNodes = new Map<string, Change<NodeKey>>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(environment: Environment, guard: DiskGuard, flushMs: number) {
    this.#environment = environment;
    this.#guard = guard;
    this.#flushMs = flushMs;
    this.path = environment.path;
    this.emptied = environment.opened.emptied;
    this.#table = environment.table<Key>('resources');
    this.#nodes = environment.table<NodeKey>('nodes');
  }

  /** Throws `TendrilError` as `openEnvironment` does; a damaged environment is emptied instead. */
  static async open(options: ResourceStoreOptions): Promise<ResourceStore> {
    const { dir, mesh, logger, reserveBytes = RESERVE_BYTES, flushMs = FLUSH_MS } = options;
    const guard = createDiskGuard({ path: dir, reserveBytes });
    try {
      const given = { dir, name: NAME, mesh, schema: SCHEMA, derived: true, sharesDirectory: true, guard };
      const environment = await openEnvironment({ ...given, ...(logger === undefined ? {} : { logger }) });
      return new ResourceStore(environment, guard, flushMs);
    } catch (error) {
      guard.close();
      throw error;
    }
  }

  /** All of a node. A damaged record ends it: the node's copy is then removed, and named in `problem`. */
  *load(node: string): Generator<{ readonly typeUrl: string; readonly raw: Uint8Array }> {
    const found: { typeUrl: string; raw: Uint8Array }[] = [];
    try {
      for (const { key, body } of this.#table.range(from(node))) {
        if (key[0] !== node) break;
        found.push({ typeUrl: key[1], raw: Uint8Array.from(body) });
      }
    } catch (error) {
      this.problem = cacheProblemFrom(error);
      for (const key of this.#table.keys(from(node))) {
        if (key[0] !== node) break;
        this.#add(key, undefined);
      }
      return;
    }
    yield* found;
  }

  put(node: string, typeUrl: string, name: string, raw: Uint8Array): void {
    this.#add([node, typeUrl, name], raw);
  }

  remove(node: string, typeUrl: string, name: string): void {
    this.#add([node, typeUrl, name], undefined);
  }

  times(node: string): CopyTimes | undefined {
    const waits = this.#waitingNodes.get(node);
    if (waits !== undefined) return waits.raw === undefined ? undefined : decodeTimes(Buffer.from(waits.raw));
    try {
      const body = this.#nodes.get([node]);
      return body === undefined ? undefined : decodeTimes(body);
    } catch (error) {
      this.problem = cacheProblemFrom(error);
      return undefined;
    }
  }

  setTimes(node: string, times: CopyTimes): void {
    this.#addNode(node, encodeTimes(times));
  }

  /**
   * Removes copies of nodes that are not `used` and were not seen since `before`. One without a time counts as seen now, and so does one that was seen
   * later than `now`: the clock was wrong. Gives the nodes.
   */
  prune(before: number, now: number, used: ReadonlySet<string>): string[] {
    const old: string[] = [];
    let last: string | undefined;
    let isOld = false;
    for (const key of this.#table.keys()) {
      const [node] = key;
      if (node !== last) {
        last = node;
        // Its removal is not on disk yet.
        const isGoing = this.#waitingNodes.has(node) && this.#waitingNodes.get(node)?.raw === undefined;
        const times = this.times(node);
        if (!isGoing && (times === undefined || times.seenAt > now))
          this.setTimes(node, { seenAt: now, confirmedAt: times?.confirmedAt });
        isOld = times !== undefined && times.seenAt < before && !used.has(node);
        if (isOld) old.push(node);
      }
      if (isOld) this.#add(key, undefined);
    }
    for (const node of old) this.#addNode(node, undefined);
    return old;
  }

  /** Changes that are not on disk yet. */
  get waiting(): number {
    return this.#waiting.size + this.#waitingNodes.size;
  }

  #add(key: Key, raw: Uint8Array | undefined): void {
    if (this.#closed) return;
    this.#waiting.set(key.join('\0'), { key, raw });
    this.#timer ??= setTimeout(() => this.#flush(), this.#flushMs);
  }

  #addNode(node: string, raw: Uint8Array | undefined): void {
    if (this.#closed) return;
    this.#waitingNodes.set(node, { key: [node], raw });
    this.#timer ??= setTimeout(() => this.#flush(), this.#flushMs);
  }

  #flush(): void {
    this.#timer = undefined;
    this.#running = this.#running.then(() => this.#write());
  }

  async #write(): Promise<void> {
    while (this.waiting > 0) {
      const batch = [...this.#waiting].slice(0, COMMIT_OPERATIONS);
      const nodes = [...this.#waitingNodes];
      for (const [at] of batch) this.#waiting.delete(at);
      this.#waitingNodes.clear();
      try {
        await this.#environment.commit((commit) => {
          for (const [, change] of batch) carryOut(commit, this.#table, change);
          for (const [, change] of nodes) carryOut(commit, this.#nodes, change);
        });
        this.problem = undefined;
      } catch (error) {
        this.problem = cacheProblemFrom(error);
        // A name that LMDB cannot take would stop all others for ever.
        if (error instanceof TendrilError && error.code === 'INVALID_KEY') continue;
        for (const [at, change] of batch) if (!this.#waiting.has(at)) this.#waiting.set(at, change);
        for (const [at, change] of nodes) if (!this.#waitingNodes.has(at)) this.#waitingNodes.set(at, change);
        if (!this.#closed) this.#timer ??= setTimeout(() => this.#flush(), RETRY_MS);
        return;
      }
    }
  }

  /** Writes what waits, then closes. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#flush();
    await this.#running;
    await this.#environment.close();
    this.#guard.close();
  }
}

const carryOut = <K extends TableKey>(commit: Batch, table: Table<K>, { key, raw }: Change<K>): void => {
  if (raw === undefined) commit.remove(table, key);
  else commit.put(table, key, raw);
};

const from = (node: string): { start: Key } => ({ start: [node] as unknown as Key });
