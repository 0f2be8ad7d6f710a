/** `RetryPolicy` of Envoy -> which end of a try may be tried again (policies.md section 3, `retry`). */
import type { RetryPolicy } from '../../proto/index.ts';
import { millis } from './millis.ts';
import { resetWait } from './reset-headers.ts';
import type { CallOutcome, RetryRules } from './types.ts';

/** Of Envoy, when `num_retries` and `retry_back_off` are not given. */
const DEFAULT_ATTEMPTS = 1;
const DEFAULT_BACKOFF_BASE_MS = 25;
const BACKOFF_MAX_FACTOR = 10;

/** What a try that timed out counts as. */
const GATEWAY_TIMEOUT = 504;

/** Words of `retry_on` for statuses of gRPC. */
const GRPC_WORDS: ReadonlyMap<string, number> = new Map([
  ['cancelled', 1],
  ['deadline-exceeded', 4],
  ['resource-exhausted', 8],
  ['internal', 13],
  ['unavailable', 14],
]);

/** Statuses from `>= 500`, or of a gateway, with what a timed-out try counts as. */
const statusOf = ({ end, status }: CallOutcome): number | undefined => {
  if (end === 'answered') return status;
  return end === 'timeout' ? GATEWAY_TIMEOUT : undefined;
};

type OutcomeTest = (outcome: CallOutcome) => boolean;

/** The try brought no answer, and not because the caller gave up. */
const unanswered: OutcomeTest = ({ end }) => end !== 'answered' && end !== 'cancelled';

const withStatus =
  (test: (status: number) => boolean): OutcomeTest =>
  (outcome) => {
    const status = statusOf(outcome);
    return status !== undefined && test(status);
  };

/** Envoy takes any word, and ignores those that it does not know. */
const wordTest = (word: string, statuses: ReadonlySet<number>): OutcomeTest | undefined => {
  const grpc = GRPC_WORDS.get(word);
  if (grpc !== undefined) return ({ end, grpcStatus }) => end === 'answered' && grpcStatus === grpc;
  switch (word) {
    case 'connect-failure':
    case 'reset-before-request':
      return ({ end }) => end === 'connect';
    case 'refused-stream':
      return ({ end }) => end === 'refused';
    case 'reset':
      return unanswered;
    case '5xx': {
      const status = withStatus((code) => code >= 500 && code < 600);
      return (outcome) => unanswered(outcome) || status(outcome);
    }
    case 'gateway-error': {
      const status = withStatus((code) => code >= 502 && code <= 504);
      return (outcome) => unanswered(outcome) || status(outcome);
    }
    case 'retriable-4xx':
      return withStatus((code) => code === 409);
    case 'retriable-status-codes':
      return withStatus((code) => statuses.has(code));
    default:
      return undefined;
  }
};

/** Undefined: nothing is tried again. */
export const retryRules = (policy: RetryPolicy): RetryRules | undefined => {
  const attempts = policy.numRetries?.value ?? DEFAULT_ATTEMPTS;
  const statuses = new Set(policy.retriableStatusCodes);
  const tests = policy.retryOn
    .split(',')
    .map((word) => wordTest(word.trim(), statuses))
    .filter((test) => test !== undefined);
  if (attempts === 0 || tests.length === 0) return undefined;
  const backoffBaseMs = millis(policy.retryBackOff?.baseInterval) ?? DEFAULT_BACKOFF_BASE_MS;
  return {
    attempts,
    perTryTimeoutMs: millis(policy.perTryTimeout) ?? 0,
    backoffBaseMs,
    backoffMaxMs: millis(policy.retryBackOff?.maxInterval) ?? backoffBaseMs * BACKOFF_MAX_FACTOR,
    askedWaitMs: resetWait(policy.rateLimitedRetryBackOff),
    retryable: (outcome) => tests.some((test) => test(outcome)),
  };
};
