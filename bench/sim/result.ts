/**
 * What a simulation leaves behind: `result.json`. Read by the reports (`report/`) and by `tendril bench compare` (`compare/`).
 *
 * Times in ms unless the name says otherwise, bytes in bytes, memory in MiB, CPU in seconds. What was not measured is absent, never 0.
 * "Bytes" are the lengths of DeltaDiscoveryResponse messages, before HTTP/2 framing.
 */

/** Changes when a reader of the old form would misread the new one. */
export const RESULT_FORMAT = 'tendril-sim/1';

export type SimMode = 'on-demand' | 'full-mesh';

/** As the run had them: defaults of the profile with the flags over them. */
export interface SimOptions {
  readonly profile: string;
  readonly mode: SimMode;
  readonly sidecars: number;
  readonly services: number;
  /** Per service. */
  readonly endpoints: number;
  /** Services that a sidecar depends on, the hot one among them. */
  readonly deps: number;
  /** Endpoint changes per second, uniform over all endpoints. */
  readonly churn: number;
  /** Changes per second of the service that all sidecars hold; 0: there is none. */
  readonly hot: number;
  readonly durationS: number;
  /** At rest between the first configurations and the churn, at least: the server gives memory back when it is quiet. */
  readonly settleS: number;
  readonly seed: number;
  readonly workers: number;
  /** Client processes. */
  readonly clients: number;
  /** Sidecars that share a TCP connection; 1 as with Envoy. */
  readonly perConnection: number;
  readonly log: 'lmdb' | 'memory';
  /** Sidecars that need everything and connect at the end, to measure what a full mesh costs each. */
  readonly probes: number;
}

export interface Machine {
  readonly cpus: number;
  readonly model: string;
  readonly memoryGiB: number;
  readonly node: string;
  readonly platform: string;
  /** Load average over a minute, at start. */
  readonly load: number;
}

/** Of times; ms. */
export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface Phase {
  readonly name: 'load' | 'connect' | 'settle' | 'churn' | 'fault' | 'drain' | 'probe';
  /** Since the start of the run, ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** CPU seconds of all server processes in it. */
  readonly serverCpuS: number;
  readonly clientCpuS: number;
}

export type ProcessRole = 'supervisor' | 'core' | 'worker' | 'client';

/** One sample a second, from /proc, /metrics and the clients. */
export interface Second {
  /** Since the start of the run, ms. */
  readonly atMs: number;
  readonly phase: Phase['name'];
  /** Streams that the server has answered on. */
  readonly connected: number;
  /** Changes posted in this second. */
  readonly changes: number;
  /** Messages received by all sidecars in this second, resources in them, bytes of them. */
  readonly pushes: number;
  readonly resources: number;
  readonly bytes: number;
  /** Change -> sidecar, of arrivals in this second. */
  readonly propagation?: Percentiles;
  /** The same, of the service that all hold. */
  readonly hotPropagation?: Percentiles;
  /** Deliveries left out in this second because a newer change of the same endpoint had come. */
  readonly coalesced: number;
  /** P99 of the loop lag within this second over all workers: upper bound of its bucket. */
  readonly loopLagMs?: number;
  /** By role, summed over processes: CPU seconds used within this second, RssAnon. */
  readonly cpuS: Readonly<Partial<Record<ProcessRole, number>>>;
  readonly rssAnonMiB: Readonly<Partial<Record<ProcessRole, number>>>;
}

export interface ProcessFigures {
  readonly role: ProcessRole;
  readonly pid: number;
  readonly cpuS: number;
  readonly rssAnonMiB: number;
  readonly rssAnonPeakMiB: number;
}

export type BytesByType = Readonly<Record<'cds' | 'eds' | 'vhds' | 'rds' | 'lds' | 'other', number>>;

export interface PropagationFigures {
  readonly changes: number;
  /** Pairs of a change and a sidecar that holds its service. */
  readonly expected: number;
  readonly arrived: number;
  /** The sidecar got only a later change of the same endpoint. */
  readonly coalesced: number;
  /** POST sent -> message read, each pair. */
  readonly each: Percentiles;
  /** POST sent -> read by the last sidecar, each change. */
  readonly last: Percentiles;
}

export interface ConnectFigures {
  readonly sidecars: number;
  readonly completed: number;
  /** Own dial -> everything it asked for is held, of those that completed; absent: none did. */
  readonly each?: Percentiles;
  /** First dial -> the last one has everything; absent, as are the bytes: not all completed. */
  readonly totalMs?: number;
  /** Bytes of a sidecar's first configuration, mean, without listeners. */
  readonly bytesPerSidecar?: number;
  readonly listenerBytesPerSidecar?: number;
}

/** After `kill -9` of every server process, and a start on the same data. */
export interface StormFigures {
  readonly sidecars: number;
  readonly resubscribed: number;
  /** Kill -> the last sidecar is subscribed again; undefined: not all were. */
  readonly allSubscribedMs?: number;
  /** New server ready -> the last sidecar is subscribed again. */
  readonly sinceReadyMs?: number;
  /** Streams that were opened again. */
  readonly reconnects: number;
  /** Names and bodies of resources on the new streams, although nothing had changed. Listeners apart. */
  readonly resourceBytes: number;
  readonly listenerBytes: number;
  /** All server processes: just before the kill, and the highest of samples every 100 ms after it. */
  readonly rssBeforeMiB: number;
  readonly rssPeakMiB: number;
  /** Changes after it that every sidecar should get: who does is subscribed indeed. */
  readonly proof: PropagationFigures;
}

/** One change of a route document, or of another fault of a profile, and whom it reached. */
export interface FaultFigures {
  readonly what: string;
  readonly events: number;
  /** Sidecars that hold what changed. */
  readonly holders: number;
  /** Messages, and bytes of the largest, within the fault and until it was quiet. */
  readonly pushes: number;
  readonly bytes: number;
  readonly largestPush: number;
  readonly serverCpuS: number;
  readonly ms: number;
  /** Of the changes in it, where they are told apart by addresses. */
  readonly propagation?: PropagationFigures;
}

/** What everything would cost a sidecar, measured with sidecars that need everything, in the same run. */
export interface FullMeshFigures {
  readonly probes: number;
  readonly bytesPerSidecar: number;
  readonly listenerBytesPerSidecar: number;
  readonly resourcesPerSidecar: number;
  readonly firstConfigurationMs: number;
  /** Full mesh / on demand, without listeners. */
  readonly bytesRatio: number;
  /** Clusters and virtual hosts in another version than the sidecars hold, and assignments that are not what the mesh says. */
  readonly differing?: number;
}

export interface Goal {
  readonly what: string;
  /** As the issue has it: "<= 250 ms". */
  readonly asked: string;
  readonly measured: number;
  readonly unit: string;
  readonly met: boolean;
}

export interface SimResult {
  readonly format: typeof RESULT_FORMAT;
  /** ISO 8601. */
  readonly at: string;
  readonly version: string;
  /** Shell command that makes the same run. */
  readonly command: string;
  /** What the profile shows, one sentence. */
  readonly shows: string;
  readonly options: SimOptions;
  readonly machine: Machine;
  readonly outcome: {
    readonly status: 'complete' | 'interrupted' | 'server-died' | 'failed';
    readonly message?: string;
    /** Last lines of the server, when it died. */
    readonly log?: readonly string[];
  };
  /** Of the mesh: same seed, same number. */
  readonly meshHash: string;
  readonly phases: readonly Phase[];
  readonly seconds: readonly Second[];
  readonly processes: readonly ProcessFigures[];
  /** Sum over server processes: highest second, before the probes take the full mesh. */
  readonly serverRssAnonPeakMiB?: number;
  /** Server, at the end of the churn; without churn, of the settling: what the mesh costs to run. Absent: the run did not come to that. */
  readonly serverRssAnonMiB?: number;
  readonly loopLag?: { readonly p50Ms: number; readonly p99Ms: number };
  readonly connect?: ConnectFigures;
  readonly churn?: PropagationFigures;
  readonly hot?: PropagationFigures;
  /** Server CPU seconds of the churn phase / changes. */
  readonly serverCpuPerChangeMs?: number;
  /** All that was received, from the first dial to the end of the drain, probes apart. */
  readonly bytes: BytesByType;
  readonly pushes: number;
  readonly resources: number;
  /** Sidecars, and resources, whose final state is not what the mesh says; absent: the run did not come to that check. */
  readonly lost?: { readonly sidecars: number; readonly resources: number; readonly examples: readonly string[] };
  /** Resources that a sidecar does not depend on, and equal versions again; absent: none until the run ended before its check. */
  readonly unneeded?: { readonly foreign: number; readonly repeated: number; readonly examples: readonly string[] };
  readonly refused: number;
  /** Streams that ended and were opened again, storms apart. */
  readonly reconnects: number;
  readonly storm?: StormFigures;
  readonly faults: readonly FaultFigures[];
  readonly fullMesh?: FullMeshFigures;
  readonly goals: readonly Goal[];
}
