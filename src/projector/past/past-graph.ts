/**
 * The dependency graph as it was at an offset: the graph of today's code over the mesh of then. Only what a question needs is loaded.
 *
 * Invariant: an edge of then is stored now, or an event took it away since. So its caller is among those that refer to the callee now
 * (asked of the live graph at an offset whose commit the history index holds) and those of `withdrawn` events (past-mesh.ts).
 *
 * Bounds: one question loads at a time, as the next one builds on what it has loaded; `MAX_WAITING` wait, more are refused (`STATE_BUSY`)
 * and counted by the reader.
 */
import { type CallerRecord, DependencyGraph, type EdgeQuery, type EdgeView } from '../../dependency-graph/index.ts';
import type { PastMesh } from './past-mesh.ts';
import { Turns } from './past-turns.ts';

const MAX_WAITING = 64;

/** Callers that refer to a service now; resolves when a commit holds the state that was asked. */
type CallersNow = (service: string) => Promise<Iterable<string>>;

export class PastGraph {
  readonly #mesh: PastMesh;
  readonly #graph: DependencyGraph;
  readonly #callersNow: CallersNow;
  readonly #turns: Turns;
  #hasAll = false;

  constructor(mesh: PastMesh, callersNow: CallersNow, onRefused: () => void) {
    this.#mesh = mesh;
    this.#callersNow = callersNow;
    this.#turns = new Turns(MAX_WAITING, 'questions about this graph', onRefused);
    this.#graph = new DependencyGraph(mesh.lookup);
    this.#graph.affected([...mesh.scopes()].map((scope) => `doc:Dependency|${scope}`));
  }

  get offset(): number {
    return this.#mesh.offset;
  }

  /** Of the event at the offset, ms since the epoch; 0 before the first one. */
  get recordedAt(): number {
    return this.#mesh.recordedAt;
  }

  /**
   * Services as registered then, by name; those that were not are left out.
   * @throws TendrilError `STATE_BUSY`, `OFFSET_GONE`
   */
  services(names: Iterable<string>): Promise<ReadonlyMap<string, NonNullable<ReturnType<PastMesh['service']>>>> {
    const wanted = [...names];
    return this.#turns.take(async () => {
      await this.#mesh.loadServices(wanted);
      return new Map(
        wanted.flatMap((name) => {
          const service = this.#mesh.service(name);
          return service === undefined ? [] : [[name, service] as const];
        }),
      );
    });
  }

  /**
   * As `DependencyGraph.edges`, of then.
   * @throws TendrilError `STATE_BUSY`, `OFFSET_GONE`, `GRAPH_TOO_LARGE`
   */
  edges(query: EdgeQuery): Promise<readonly EdgeView[]> {
    const { focus, depth = 1, atMost = Number.POSITIVE_INFINITY } = query;
    return this.#turns.take(async () => {
      if (focus === undefined || this.#defaultsDeclare()) await this.#loadAll();
      else await this.#loadAround(focus, depth, atMost);
      return this.#graph.edges(query);
    });
  }

  /**
   * What a caller's nodes held without asking, and what they might not have.
   * @throws TendrilError `STATE_BUSY`, `OFFSET_GONE`
   */
  record(caller: string): Promise<CallerRecord> {
    return this.#turns.take(async () => {
      await this.#load([caller]);
      return this.#graph.record(caller);
    });
  }

  /**
   * Edges of one caller alone, ascending by target. `now`: see `EdgeQuery`.
   * @throws TendrilError `STATE_BUSY`, `OFFSET_GONE`
   */
  edgesOf(caller: string, now?: number): Promise<readonly EdgeView[]> {
    return this.#turns.take(async () => {
      await this.#load([caller]);
      return this.#graph.edgesOf(caller, now);
    });
  }

  /** Documents of a namespace or of the mesh declare edges: every caller there may have them. */
  #defaultsDeclare(): boolean {
    for (const scope of this.#mesh.scopes()) {
      if (scope !== 'mesh' && !scope.startsWith('ns:')) continue;
      const { to, select } = this.#mesh.lookup.defaultDependency(scope === 'mesh' ? undefined : scope.slice(3));
      if (to.length > 0 || select.length > 0) return true;
    }
    return false;
  }

  async #loadAround(focus: string, depth: number, atMost: number): Promise<void> {
    const seen = new Set([focus]);
    let ring: ReadonlySet<string> = new Set([focus]);
    for (let step = 1; step <= depth && ring.size > 0; step++) {
      await this.#load(ring);
      for (const name of ring) {
        await this.#load(await this.#callersNow(name));
        await this.#load(await this.#mesh.withdrawnCallers(name));
      }
      ring = await this.#nextRing({ focus, depth: step, atMost }, seen);
      for (const name of ring) seen.add(name);
    }
  }

  /** Callers that only a document brought in have stored edges, too: loaded until none is new. */
  async #nextRing(query: EdgeQuery, seen: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    for (;;) {
      const edges = this.#graph.edges(query);
      if ((await this.#load(edges.map(({ from }) => from))) > 0) continue;
      return new Set(edges.flatMap(({ from, to }) => [from, to]).filter((name) => !seen.has(name)));
    }
  }

  async #loadAll(): Promise<void> {
    if (this.#hasAll) return;
    await this.#mesh.loadAllServices();
    await this.#load(await this.#mesh.callers());
    this.#hasAll = true;
  }

  /** Gives how many were not loaded before. */
  #load(callers: Iterable<string>): Promise<number> {
    return this.#mesh.loadCallers(
      [...callers].filter((caller) => !caller.startsWith('*')),
      (caller, edges) => {
        if (edges.size > 0) this.#graph.setEdges(caller, edges);
      },
    );
  }
}
