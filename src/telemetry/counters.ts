/** Counters of access logs and load reports; each has its line in `GET /metrics`. */
export interface UseCounters {
  /** Access log entries that came. */
  entries: number;
  /** Of them left out, above the budget. */
  sampledOut: number;
  /** Entries and reports that name nothing their caller may use. */
  foreign: number;
  /** Streams ended because of what they sent. */
  malformed: number;
  /** Streams open now. */
  streams: number;
  /** Streams ended because they spoke for another service, or for none. */
  refused: number;
  /** Entries of logs that are not ours. */
  otherLogs: number;
  /** First uses dropped at a bound of the edges. */
  edgesFull: number;
  /** Edges known now. */
  edges: number;
  /** Load reports: streams open now, reports that came, and those left out. */
  loadStreams: number;
  loadReports: number;
  loadLeftOut: number;
}

export const zeroUseCounters = (): UseCounters => ({
  entries: 0,
  sampledOut: 0,
  foreign: 0,
  malformed: 0,
  streams: 0,
  refused: 0,
  otherLogs: 0,
  edgesFull: 0,
  edges: 0,
  loadStreams: 0,
  loadReports: 0,
  loadLeftOut: 0,
});
