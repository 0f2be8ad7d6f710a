/**
 * What on-demand delivery saves against a full mesh, in which every sidecar holds every service that it may see and is sent each change of
 * it, and everything again whenever it connects.
 *
 * What a full mesh would have pushed is counted since the start of the core, from the compiled bytes: for a change its bytes for each
 * connected sidecar, for a sidecar that connects all of them. Only services that the whole mesh may see count, and removals cost
 * nothing: it is a lower bound.
 */
import type { FullMesh, MeshTotals, MeshTotalsReader } from './mesh-totals.ts';
import type { WorkerRegistry } from './worker-registry.ts';

/** Row of a worker: what one of its sessions holds of services. */
export interface HeldRow {
  readonly node: string;
  readonly caller: string;
  readonly resources: number;
  readonly bytes: number;
}

export interface ProxySavings {
  /** Resources of services held, and their bytes as encoded. */
  readonly resources: number;
  readonly bytes: number;
  /** The same in a full mesh. */
  readonly fullResources: number;
  readonly fullBytes: number;
  /** `bytes` / `fullBytes`, 0..1; 0 in an empty mesh. */
  readonly ratio: number;
}

export interface SavingsTotals extends ProxySavings {
  readonly sidecars: number;
  /** Bytes of service resources pushed by workers since their start. */
  readonly pushedBytes: number;
  /** What a full mesh would have pushed since the start of the core, for changes and for connections. */
  readonly fullPushedBytes: { readonly change: number; readonly connect: number };
  /** Not all workers answered in time: there is more. */
  readonly complete?: false;
}

/** What sidecars hold, by node; `complete`: all workers answered. */
export interface HeldByNode {
  readonly rows: ReadonlyMap<string, HeldRow>;
  readonly complete: boolean;
}

export const savingsOf = (held: FullMesh, full: FullMesh): ProxySavings => ({
  resources: held.resources,
  bytes: held.bytes,
  fullResources: full.resources,
  fullBytes: full.bytes,
  ratio: full.bytes === 0 ? 0 : Number((held.bytes / full.bytes).toFixed(6)),
});

const namespaceOf = (caller: string): string => caller.slice(caller.lastIndexOf('.') + 1);

/** Of the time, at most, that scrapes may spend on the savings. */
const SHARE = 0.005;
const MOST_KEPT_MS = 60_000;

export class Savings {
  readonly #registry: WorkerRegistry;
  readonly #clock: () => number;
  readonly #totals: MeshTotalsReader;
  readonly #full = { change: 0, connect: 0 };
  #joined = 0;
  /** What the last scrape was told, and until when others are told the same. */
  #kept: { until: number; readonly totals: Promise<SavingsTotals> } | undefined;

  /** `clock`: ms, monotonic. */
  constructor(registry: WorkerRegistry, totals: MeshTotalsReader, clock: () => number) {
    this.#registry = registry;
    this.#clock = clock;
    this.#totals = totals;
    totals.onChanged = (bytes) => {
      this.#full.change += bytes * registry.sidecars;
    };
    registry.onJoined = (sidecars) => {
      this.#joined += sidecars;
      this.#settle();
    };
  }

  /** Sidecars that connected before the mesh was measured are counted when it is. */
  #settle(): void {
    const totals = this.#totals.now();
    if (totals === undefined) return;
    this.#full.connect += totals.common.bytes * this.#joined;
    this.#joined = 0;
  }

  /** What each connected sidecar holds; of one that has several streams, all together. */
  async held(node?: string): Promise<HeldByNode> {
    const { answers, complete } = await this.#registry.askAll<readonly HeldRow[]>({
      what: 'held',
      ...(node === undefined ? {} : { node }),
    });
    const byNode = new Map<string, HeldRow>();
    for (const row of answers.flat()) {
      const { resources = 0, bytes = 0 } = byNode.get(row.node) ?? {};
      byNode.set(row.node, { ...row, resources: row.resources + resources, bytes: row.bytes + bytes });
    }
    return { rows: byNode, complete };
  }

  of(row: HeldRow | undefined, caller: string, totals: MeshTotals): ProxySavings {
    return savingsOf(row ?? { resources: 0, bytes: 0 }, totals.of(namespaceOf(caller)));
  }

  /**
   * For a scrape of the metrics. Undefined while the mesh is not measured yet: a scrape does not wait for that. Every resource of every
   * sidecar is looked at, so the answer is kept for as long as it takes to spend no more than `SHARE` of the time on it.
   */
  async allNow(): Promise<SavingsTotals | undefined> {
    if (this.#totals.now() === undefined) return undefined;
    const now = this.#clock();
    if (this.#kept === undefined || now >= this.#kept.until) {
      const kept = { until: Number.POSITIVE_INFINITY, totals: this.all() };
      this.#kept = kept;
      const done = (): void => {
        const end = this.#clock();
        kept.until = end + Math.min((end - now) / SHARE, MOST_KEPT_MS);
      };
      kept.totals.then(done, done);
    }
    return this.#kept.totals;
  }

  async all(): Promise<SavingsTotals> {
    const totals = await this.#totals.read();
    this.#settle();
    const counters = this.#registry.askAll<{ readonly serviceBytes?: number }>({ what: 'counters' });
    const known = await this.held();
    const rows = [...known.rows.values()];
    const held = { resources: 0, bytes: 0 };
    const full = { resources: 0, bytes: 0 };
    for (const row of rows) {
      const whole = totals.of(namespaceOf(row.caller));
      held.resources += row.resources;
      held.bytes += row.bytes;
      full.resources += whole.resources;
      full.bytes += whole.bytes;
    }
    const { answers, complete } = await counters;
    return {
      ...savingsOf(held, full),
      sidecars: rows.length,
      pushedBytes: answers.reduce((sum, { serviceBytes = 0 }) => sum + serviceBytes, 0),
      fullPushedBytes: { ...this.#full },
      ...(known.complete && complete ? {} : { complete: false }),
    };
  }
}
