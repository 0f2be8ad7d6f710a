/** The route of one call of gRPC, in the words of grpc-js: time-out, retries, and what the balancer needs. */
import { type experimental, type Metadata, status } from '@grpc/grpc-js';
import type { ChosenRoute, RetryRules } from '../calls/index.ts';
import { startTrace } from '../trace-context.ts';
import type { GrpcCaller } from './registry.ts';
import { TRY_OVER, timedFilter } from './timed-try.ts';

/** As grpc-js keeps them: without the deadline's own field names. */
export type CallConfig = ReturnType<experimental.ConfigSelector['invoke']>;

/** Goes to the balancer with each try of a call; the same object for all of them. */
export interface PickInformation extends Record<string, string> {
  readonly cluster: string;
  /** When the route's time-out is over, by `performance.now`; absent: it has none. */
  readonly dueMs?: string;
  /** `retry.timeout` and `idleTimeout`, ms; absent: none. */
  readonly tryMs?: string;
  readonly idleMs?: string;
}

const seconds = (ms: number): string => `${ms / 1000}s`;

/** A connection that breaks in a call is UNAVAILABLE to grpc-js, which can not be told from a server's own. */
const retryable = (rules: RetryRules, code: number): boolean =>
  rules.retryable({ end: 'answered', status: 200, grpcStatus: code }) ||
  (code === status.UNAVAILABLE && rules.retryable({ end: 'reset' }));

const CODES: readonly number[] = Object.values(status).filter(
  (code) => typeof code === 'number' && code > 0,
) as number[];

const retryPolicy = (rules: RetryRules): CallConfig['methodConfig']['retryPolicy'] => {
  const retryableStatusCodes = [
    ...CODES.filter((code) => retryable(rules, code)),
    ...(rules.perTryTimeoutMs > 0 && rules.retryable({ end: 'timeout' }) ? [TRY_OVER] : []),
  ];
  if (retryableStatusCodes.length === 0) return undefined;
  return {
    maxAttempts: rules.attempts + 1,
    initialBackoff: seconds(rules.backoffBaseMs),
    maxBackoff: seconds(rules.backoffMaxMs),
    backoffMultiplier: 2,
    retryableStatusCodes,
  };
};

const methodConfig = ({ timeoutMs, retry }: ChosenRoute): CallConfig['methodConfig'] => {
  const policy = retry === undefined ? undefined : retryPolicy(retry);
  return {
    name: [],
    ...(timeoutMs > 0
      ? { timeout: { seconds: Math.floor(timeoutMs / 1000), nanos: Math.round((timeoutMs % 1000) * 1_000_000) } }
      : {}),
    ...(policy === undefined ? {} : { retryPolicy: policy }),
  };
};

const headerOf = (metadata: Metadata, name: string): string | undefined => {
  if (name.endsWith('-bin')) return undefined;
  const values = metadata.get(name);
  if (values.length > 0) return values.join(',');
  return name === 'content-type' ? 'application/grpc' : undefined;
};

/** `metadata` is the call's own copy: the trace context is begun in it. */
export const configOf = (caller: GrpcCaller, authority: string, path: string, metadata: Metadata): CallConfig => {
  const { core, source, trace } = caller;
  source.touch(authority);
  const route = core.route({ authority, method: 'POST', path, header: (name) => headerOf(metadata, name) });
  const config = { dynamicFilterFactories: [], pickInformation: {} };
  if (route === undefined) return { ...config, methodConfig: { name: [] }, status: status.UNAVAILABLE };
  const traceparent = startTrace(headerOf(metadata, 'traceparent'), trace);
  if (traceparent !== undefined) {
    metadata.set('traceparent', traceparent);
    metadata.remove('tracestate');
  }
  const tryMs = route.retry?.perTryTimeoutMs ?? 0;
  const dynamicFilterFactories = tryMs > 0 || route.idleTimeoutMs > 0 ? [timedFilter] : [];
  const pickInformation: PickInformation = {
    cluster: route.cluster,
    ...(tryMs > 0 ? { tryMs: String(tryMs) } : {}),
    ...(route.idleTimeoutMs > 0 ? { idleMs: String(route.idleTimeoutMs) } : {}),
    ...(route.timeoutMs > 0 ? { dueMs: String(performance.now() + route.timeoutMs) } : {}),
    ...(route.hashKey === undefined ? {} : { hashKey: route.hashKey }),
  };
  return { dynamicFilterFactories, methodConfig: methodConfig(route), pickInformation, status: status.OK };
};
