/** Errors as answers: RFC 9457 problems with a stable code, findings with places, and a remedy. */
import { type Finding, TendrilError } from '../model/index.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly remedy?: string;
  readonly line?: number;
  readonly column?: number;
  readonly pointer?: string;
  readonly findings?: readonly Finding[];
  /** Id of the request, as in the log. */
  readonly request?: string;
  readonly [more: string]: unknown;
}

const STATUS_OF: Readonly<Record<string, number>> = {
  BATCH_EMPTY: 400,
  BODY_INCOMPLETE: 400,
  OFFSET_INVALID: 400,
  HOST_REFUSED: 403,
  ORIGIN_REFUSED: 403,
  ROUTE_UNKNOWN: 404,
  DOCUMENT_UNKNOWN: 404,
  SERVICE_UNKNOWN: 404,
  ENDPOINT_UNKNOWN: 404,
  LEASE_UNKNOWN: 404,
  LEASE_TAKEN: 409,
  LEASE_REPLICA_ALONE: 503,
  EDGE_UNKNOWN: 404,
  PROXY_UNKNOWN: 404,
  RESOURCE_UNKNOWN: 404,
  SCHEMA_UNKNOWN: 404,
  REPLICA_UNKNOWN: 404,
  AUDIT_MISSING: 404,
  SCRUB_MISSING: 404,
  SCRUB_RUNNING: 409,
  NOTHING_TO_HEAL: 409,
  METHOD_NOT_ALLOWED: 405,
  KEEPER_FENCED: 409,
  OFFSET_GONE: 410,
  EXPECT_FAILED: 412,
  BODY_TOO_LARGE: 413,
  BATCH_TOO_LARGE: 413,
  EVENT_TOO_LARGE: 413,
  GRAPH_TOO_LARGE: 413,
  URL_TOO_LONG: 414,
  TYPE_UNSUPPORTED: 415,
  INGEST_BUSY: 429,
  PROJECTOR_BEHIND: 429,
  LOG_BACKPRESSURE: 429,
  STATE_BUSY: 429,
  SNAPSHOT_BUSY: 429,
  STREAMS_FULL: 503,
  BODIES_FULL: 503,
  STOPPING: 503,
  LOG_CLOSED: 503,
  LOG_READ_ONLY: 503,
  LOG_CORRUPT: 503,
  CORRUPT_RECORD: 503,
  DATA_CORRUPT: 503,
  LOG_AWAY: 503,
  LOG_REFUSED: 503,
  LOG_GAP: 503,
  LOG_TRUNCATED: 503,
  LOG_OF_ANOTHER_TOPIC: 503,
  KAFKA_TOPIC_UNFIT: 503,
  SNAPSHOT_NONE: 503,
  STATE_FAILED: 503,
  STATE_CLOSED: 503,
  STATE_DIVERGED: 503,
  DISK_FULL: 507,
};

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  403: 'Refused',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Rejected',
  410: 'Gone',
  412: 'Changed in the meantime',
  413: 'Too large',
  414: 'Address too long',
  415: 'Content type not supported',
  429: 'Too much at once',
  500: 'Internal error',
  503: 'Not available now',
  507: 'No space',
};

/** Seconds after which the same request may succeed; undefined: trying again alone does not help. */
export const retryAfter = (status: number): number | undefined => {
  if (status === 429) return 1;
  return status === 503 || status === 507 ? 5 : undefined;
};

/** Status of an error code: codes of findings (`E101`, …) are 400, what nobody foresaw is 500. */
export const statusOf = (code: string): number => STATUS_OF[code] ?? (/^E[0-9]{3}$/.test(code) ? 400 : 500);

/** The place of the first error that has one. */
const placeOf = (findings: readonly Finding[]): Pick<Problem, 'line' | 'column' | 'pointer'> => {
  const found = findings.find(
    (finding) => finding.severity === 'error' && (finding.line !== undefined || finding.pointer !== undefined),
  );
  return {
    ...(found?.line === undefined ? {} : { line: found.line }),
    ...(found?.column === undefined ? {} : { column: found.column }),
    ...(found?.pointer === undefined ? {} : { pointer: found.pointer }),
  };
};

export const problemOf = (
  status: number,
  code: string,
  detail: string,
  more: {
    readonly remedy?: string | undefined;
    readonly findings?: readonly Finding[];
    readonly request?: string;
  } = {},
): Problem => ({
  type: `urn:tendril:error:${code}`,
  title: TITLES[status] ?? 'Error',
  status,
  code,
  detail,
  ...(more.remedy === undefined ? {} : { remedy: more.remedy }),
  ...placeOf(more.findings ?? []),
  ...(more.findings === undefined || more.findings.length === 0 ? {} : { findings: more.findings }),
  ...(more.request === undefined ? {} : { request: more.request }),
});

export const problemOfError = (error: TendrilError, request?: string): Problem =>
  problemOf(statusOf(error.code), error.code, error.message, {
    remedy: error.remedy,
    findings: error.findings,
    ...(request === undefined ? {} : { request }),
  });

/** An error with one finding about a place in the request. */
export const refusal = (
  code: string,
  message: string,
  options: {
    readonly remedy?: string;
    readonly pointer?: string;
    readonly line?: number;
    readonly column?: number;
  } = {},
): TendrilError => {
  const { remedy, ...place } = options;
  return new TendrilError(code, message, {
    findings: [{ code, severity: 'error', message, ...place, ...(remedy === undefined ? {} : { hint: remedy }) }],
    ...(remedy === undefined ? {} : { remedy }),
  });
};
