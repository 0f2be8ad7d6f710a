/** The edges in use lately, of all callers, and what the texts of log entries stand for. */
import type { AccessLogEntry } from '../proto/index.ts';
import { CallerUse, type UsedEdge } from './caller-use.ts';
import type { UseCounters } from './counters.ts';
import type { Reporter } from './reporter.ts';

export interface EdgeLimits {
  /** Edges of one caller, and of all. Beyond: a first use is dropped, `edgesFull`. */
  readonly edgesPerCaller: number;
  readonly edges: number;
}

export const DEFAULT_EDGE_LIMITS: EdgeLimits = { edgesPerCaller: 10_000, edges: 500_000 };

export class EdgeTable {
  readonly #limits: EdgeLimits;
  readonly #counters: UseCounters;
  readonly #callers = new Map<string, CallerUse>();
  readonly #targets: UsedEdge[] = [];
  /** Number of the present period: what texts stand for is looked up once in each. */
  #period = 0;

  /** Keeps `edges` and `edgesFull` of the counters. */
  constructor(limits: EdgeLimits, counters: UseCounters) {
    this.#limits = limits;
    this.#counters = counters;
  }

  caller(name: string): CallerUse {
    let caller = this.#callers.get(name);
    if (caller === undefined) {
      caller = new CallerUse(name);
      this.#callers.set(name, caller);
    }
    return caller;
  }

  /**
   * The edges that an entry is about, until the next call: that of its cluster, and that of its virtual host, which is another one when
   * a route leads to another service (routes are named after the virtual host's service port). Without both, that of the authority: a
   * filter has ended the request first, or the host is unknown. An edge that was not known has `lastMs` 0.
   */
  find(entry: AccessLogEntry, caller: CallerUse, reporter: Reporter): readonly UsedEdge[] {
    const targets = this.#targets;
    targets.length = 0;
    const used = entry.upstreamCluster === '' ? undefined : this.byName(entry.upstreamCluster, caller, reporter);
    if (used !== undefined) targets.push(used);
    const called = entry.routeName === '' ? undefined : this.byName(entry.routeName, caller, reporter);
    if (called !== undefined && called !== used) targets.push(called);
    if (targets.length > 0 || entry.authority === '') return targets;
    const host = this.#byHost(entry.authority, caller, reporter);
    if (host !== undefined) targets.push(host);
    return targets;
  }

  /** Cluster and route names begin with the service port; a subset or the name of a rule follows behind a slash. */
  byName(name: string, caller: CallerUse, reporter: Reporter): UsedEdge | undefined {
    const known = caller.meaning(name, this.#period);
    if (known !== 'unknown') return known;
    const slash = name.indexOf('/');
    const edge = this.#edge(reporter.byName(slash < 0 ? name : name.slice(0, slash)), caller);
    caller.remember(name, edge);
    return edge;
  }

  #byHost(authority: string, caller: CallerUse, reporter: Reporter): UsedEdge | undefined {
    // No cluster and no route has such a name.
    const text = `@${authority}`;
    const known = caller.meaning(text, this.#period);
    if (known !== 'unknown') return known;
    const edge = this.#edge(reporter.byHost(authority.toLowerCase()), caller);
    caller.remember(text, edge);
    return edge;
  }

  #edge(to: string | undefined, caller: CallerUse): UsedEdge | undefined {
    if (to === undefined) return undefined;
    const known = caller.edge(to);
    if (known !== undefined) return known;
    if (caller.size >= this.#limits.edgesPerCaller || this.#counters.edges >= this.#limits.edges) {
      this.#counters.edgesFull++;
      caller.dropped = true;
      return undefined;
    }
    this.#counters.edges++;
    return caller.add(to);
  }

  /** The next period. */
  turn(): void {
    this.#period++;
  }

  /** Forgets what was not used since the last call but one. */
  rotate(): void {
    this.#counters.edges = 0;
    for (const [name, caller] of this.#callers) {
      caller.rotate();
      this.#counters.edges += caller.size;
      if (caller.size === 0) this.#callers.delete(name);
    }
  }
}
