/** Sidecars as the operator sees them: live sessions of all workers, and the ledger for those that are away. */
import type { HeldResource, Holder, SessionStatus } from '../delta-xds/index.ts';
import type { Ledger, LedgerRow, MeshTotals as SizesNow } from '../projector/index.ts';
import type { MeshTotals, MeshTotalsReader } from './mesh-totals.ts';
import type { HeldRow, ProxySavings, Savings, SavingsTotals } from './savings.ts';
import type { WorkerRegistry } from './worker-registry.ts';

/** Row of `GET /v1/proxies`. */
export interface ProxyRow {
  readonly id: string;
  /** `<service>.<namespace>` */
  readonly service: string;
  readonly state: 'in-sync' | 'pending' | 'refused' | 'offline';
  /** Resources held. */
  readonly holds: number;
  /** Service ports held, of `of` in the mesh. */
  readonly services: number;
  readonly of: number;
  /** Resources sent on its present streams, and bytes of all responses there. */
  readonly resources: number;
  readonly bytes: number;
  /** Of them, resources of services: to compare with `fullPushBytes`. */
  readonly serviceBytes: number;
  /** Bytes of all shared resources of the mesh, as compiled: what a full push would send. */
  readonly fullPushBytes: number;
  readonly streams: number;
  /** Generation of its route configuration, when it is a later one than the first (docs/protocol.md, section 12). */
  readonly generation?: number;
  /** Virtual hosts that it asked for and holds though nobody has used them for long, when there are any. */
  readonly stale?: number;
  /** Resources that it refuses as of now; `lastError`: in its words. */
  readonly refused: number;
  readonly connectedAt?: number;
  readonly lastAckAt?: number;
  readonly lastError?: string;
  readonly endpoint?: string;
  /** It says itself which services it needs (docs/protocol.md, "Callers of everything"). */
  readonly needs?: true;
  readonly peer?: string;
  readonly savings?: ProxySavings;
  readonly [more: string]: unknown;
}

/** A sidecar that holds resources of services asked for. */
export interface HolderRow {
  readonly id: string;
  readonly service: string;
  readonly ports: readonly string[];
  readonly resources: number;
  readonly refused: number;
  readonly pending: number;
}

export interface ResourceRow {
  readonly type: string;
  readonly name: string;
  readonly version?: string;
  readonly state: 'acked' | 'sent' | 'refused' | 'removed';
  readonly bytes?: number;
  readonly sentAt?: number;
  readonly ackedAt?: number;
  readonly error?: string;
  readonly offset?: number;
  readonly [more: string]: unknown;
}

/** How long a list waits for the mesh to be measured; a small one is in one turn. */
const MEASURE_MS = 250;

export interface ProxiesOptions {
  readonly registry: WorkerRegistry;
  readonly ledger: Ledger;
  readonly totals: Pick<MeshTotalsReader, 'read' | 'now' | 'soon'>;
  /** Ports of all services, and the bytes of their resources without names: at hand before the mesh is measured. */
  readonly sizes: () => SizesNow;
  readonly savings: Savings;
}

type Answer = readonly { readonly peer: string; readonly resources: readonly HeldResource[] }[] | null;

export class Proxies {
  readonly #options: ProxiesOptions;

  constructor(options: ProxiesOptions) {
    this.#options = options;
  }

  #row(id: string, sessions: readonly SessionStatus[]): ProxyRow {
    const sizes = this.#options.totals.now() ?? this.#options.sizes();
    const types = sessions.flatMap((session) => session.types);
    const [first] = sessions;
    const recent = this.#options.ledger.summary(id);
    const refused = types.reduce((sum, type) => sum + type.parked, 0);
    const pending = types.some((type) => type.unacked > 0 || type.pending > 0);
    const generation = Math.max(0, ...sessions.map((session) => session.generation));
    const stale = sessions.reduce((sum, session) => sum + session.stale, 0);
    const lastError = types.map((type) => type.lastError?.message).find((message) => message !== undefined);
    return {
      id,
      service: first?.caller ?? recent?.caller ?? '',
      state: first === undefined ? 'offline' : refused > 0 ? 'refused' : pending ? 'pending' : 'in-sync',
      holds: types.reduce((sum, type) => sum + type.held, 0),
      services: Math.max(0, ...sessions.map((session) => session.servicePorts)),
      of: sizes.servicePorts,
      bytes: sessions.reduce((sum, session) => sum + session.sent.bytes, 0),
      resources: sessions.reduce((sum, session) => sum + session.sent.resources, 0),
      serviceBytes: sessions.reduce((sum, session) => sum + session.sent.serviceBytes, 0),
      fullPushBytes: sizes.fullPushBytes,
      streams: sessions.length,
      refused,
      ...(generation === 0 ? {} : { generation }),
      ...(stale === 0 ? {} : { stale }),
      ...(first === undefined ? {} : { connectedAt: first.since, peer: first.peer, namespace: first.namespace }),
      ...(sessions.some(({ needs }) => needs === true) ? { needs: true } : {}),
      ...(first?.endpoint === undefined ? {} : { endpoint: first.endpoint }),
      ...(recent?.lastAckAt === undefined ? {} : { lastAckAt: recent.lastAckAt }),
      ...(recent?.lastSentAt === undefined ? {} : { lastSentAt: recent.lastSentAt }),
      ...(lastError === undefined ? {} : { lastError }),
    };
  }

  /** All connected sidecars, ascending by id; `complete`: all workers answered in time. */
  async list({ savings = false }: { readonly savings?: boolean } = {}): Promise<{
    readonly proxies: readonly ProxyRow[];
    readonly complete: boolean;
  }> {
    await this.#options.totals.soon(MEASURE_MS);
    const totals = savings ? await this.#options.totals.read() : undefined;
    const held = savings ? await this.#options.savings.held() : undefined;
    const asked = await this.#options.registry.askAll<readonly SessionStatus[]>({ what: 'proxies' });
    const byNode = new Map<string, SessionStatus[]>();
    for (const session of asked.answers.flat()) {
      const known = byNode.get(session.node);
      if (known === undefined) byNode.set(session.node, [session]);
      else known.push(session);
    }
    const proxies = [...byNode]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, each]) => {
        const row = this.#row(id, each);
        return held === undefined || totals === undefined ? row : this.#withSavings(row, held.rows.get(id), totals);
      });
    return { proxies, complete: asked.complete && held?.complete !== false };
  }

  /** All sidecars together. */
  savings(): Promise<SavingsTotals> {
    return this.#options.savings.all();
  }

  /** The same, if it is known already. */
  savingsNow(): Promise<SavingsTotals | undefined> {
    return this.#options.savings.allNow();
  }

  /** Connected sidecars that hold resources of some services, ascending by id; `complete`: all workers answered in time. */
  async holders(
    services: readonly string[],
  ): Promise<{ readonly holders: readonly HolderRow[]; readonly complete: boolean }> {
    const { answers, complete } = await this.#options.registry.askAll<readonly Holder[]>({ what: 'holders', services });
    const byNode = new Map<string, HolderRow>();
    for (const { node, caller, ports, resources, refused, pending } of answers.flat()) {
      const known = byNode.get(node);
      byNode.set(node, {
        id: node,
        service: caller,
        ports: [...new Set([...(known?.ports ?? []), ...ports])].sort(),
        resources: resources + (known?.resources ?? 0),
        refused: refused + (known?.refused ?? 0),
        pending: pending + (known?.pending ?? 0),
      });
    }
    return { holders: [...byNode.values()].sort((a, b) => (a.id < b.id ? -1 : 1)), complete };
  }

  #withSavings(row: ProxyRow, held: HeldRow | undefined, totals: MeshTotals): ProxyRow {
    return { ...row, savings: this.#options.savings.of(held, row.service, totals) };
  }

  /** One sidecar, also one that only the ledger remembers. */
  async get(id: string, { savings = false }: { readonly savings?: boolean } = {}): Promise<ProxyRow | undefined> {
    await this.#options.totals.soon(MEASURE_MS);
    const sessions = (await this.#options.registry.ask<readonly SessionStatus[]>({ what: 'proxies' })).flat();
    const own = sessions.filter((session) => session.node === id);
    if (own.length === 0 && this.#options.ledger.summary(id) === undefined) return undefined;
    const row = this.#row(id, own);
    if (!savings) return row;
    const totals = await this.#options.totals.read();
    return this.#withSavings(row, (await this.#options.savings.held(id)).rows.get(id), totals);
  }

  /** What it holds now; of a sidecar that is away, what it was last sent. */
  async resources(id: string): Promise<readonly ResourceRow[]> {
    const remembered = new Map(this.#options.ledger.deliveries(id).map((row) => [`${row.type}|${row.name}`, row]));
    const answers = await this.#options.registry.ask<Answer>({ what: 'resources', node: id });
    const live = answers.flatMap((answer) => answer ?? []).flatMap(({ resources }) => resources);
    if (live.length === 0) return [...remembered.values()].map(rowOf);
    const rows = new Map<string, ResourceRow>();
    for (const held of live) {
      const key = `${held.type}|${held.name}`;
      const row = remembered.get(key);
      rows.set(key, {
        type: held.type,
        name: held.name,
        ...(held.version === '' ? {} : { version: held.version }),
        state: held.refused === undefined ? (held.acked === held.version ? 'acked' : 'sent') : 'refused',
        ...(row === undefined ? {} : timesOf(row)),
        // The client's words reach the ledger a moment later.
        ...(held.refused === undefined ? {} : { error: row?.error ?? `version ${held.refused} was refused` }),
      });
    }
    return [...rows.values()];
  }
}

const timesOf = (row: LedgerRow): Partial<ResourceRow> => ({
  ...(row.bytes === undefined ? {} : { bytes: row.bytes }),
  ...(row.sentAt === undefined ? {} : { sentAt: row.sentAt }),
  ...(row.ackedAt === undefined ? {} : { ackedAt: row.ackedAt }),
  ...(row.offset === undefined ? {} : { offset: row.offset }),
});

const rowOf = (row: LedgerRow): ResourceRow => {
  // A removal has no version, also once it is acknowledged.
  const removed = row.version === '' && row.state === 'acked';
  const { ackedAt: _ofTheRemoval, ...times } = timesOf(row);
  return {
    type: row.type,
    name: row.name,
    ...(row.version === '' ? {} : { version: row.version }),
    state: removed ? 'removed' : row.state,
    ...(removed ? times : timesOf(row)),
    ...(row.error === undefined ? {} : { error: row.error }),
  };
};
