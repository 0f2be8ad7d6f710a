/** Evidence of use: access logs and load reports of sidecars, added up by edge. Pure; the runtime brings streams and clocks. */
export { ConnectionCallers } from './connection-callers.ts';
export type { UseCounters } from './counters.ts';
export type { EdgeUse, UseReport } from './edge-use.ts';
export type { Identify, Reporter } from './reporter.ts';
export { DEFAULT_USE_LIMITS, UseCollector, type UseCollectorOptions, type UseLimits } from './use-collector.ts';
export { AccessLogStream, LoadReportStream, type UseAnswer } from './use-stream.ts';
