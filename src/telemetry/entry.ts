/** What one log entry says: did something end, did it fail. */
import { type AccessLogEntry, LOG_TYPE } from '../proto/index.ts';

/**
 * Fields of ResponseFlags by which the callee, or the way to it, failed: no_healthy_upstream, upstream_request_timeout, local_reset,
 * upstream_remote_reset, upstream_connection_failure, upstream_connection_termination, upstream_overflow,
 * upstream_retry_limit_exceeded, upstream_max_stream_duration_reached, duration_timeout, upstream_protocol_error, no_cluster_found,
 * dns_resolution_failure. Not among them: what the client did (it left, it sent nonsense), and what a policy of ours did.
 */
const FAILURES = [2, 3, 4, 5, 6, 7, 8, 16, 20, 23, 24, 25, 27].reduce((mask, field) => mask | (1 << field), 0);

/** gRPC codes that say that the server failed: UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
const SERVER_CODES: ReadonlySet<number> = new Set([2, 4, 8, 13, 14, 15]);

/** Entries of upstream requests (one for each attempt): the downstream entry counts already. */
export const isOfAttempt = ({ type }: AccessLogEntry): boolean =>
  type >= LOG_TYPE.UPSTREAM_POOL_READY && type <= LOG_TYPE.UPSTREAM_END;

/** A request or a connection has ended; else it goes on. Envoys that do not name the type mark what goes on. */
export const isEnd = ({ type, intermediate }: AccessLogEntry): boolean => {
  if (type === LOG_TYPE.NOT_SET) return !intermediate;
  return type === LOG_TYPE.DOWNSTREAM_END || type === LOG_TYPE.TCP_END || type === LOG_TYPE.UDP_SESSION_END;
};

/** What has ended has failed: 5xx, a gRPC status of the server, or no answer and a reason on the callee's side. */
export const isError = ({ responseCode, flags, grpcStatus }: AccessLogEntry): boolean => {
  if (responseCode >= 500) return true;
  if (grpcStatus > 0) return SERVER_CODES.has(grpcStatus);
  return responseCode === 0 && (flags & FAILURES) !== 0;
};
