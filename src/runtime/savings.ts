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

export class Savings {
  readonly #registry: WorkerRegistry;
  readonly #totals: MeshTotalsReader;
  readonly #full = { change: 0, connect: 0 };
  #joined = 0;

  constructor(registry: WorkerRegistry, totals: MeshTotalsReader) {
    this.#registry = registry;
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

  /** Undefined while the mesh is not measured yet: a scrape of the metrics does not wait for that. */
  async allNow(): Promise<SavingsTotals | undefined> {
    return this.#totals.now() === undefined ? undefined : this.all();
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
