/**
 * Outlier ejection of one cluster: endpoints that fail in a row get no calls for a time (policies.md section 5, `outlier`; Envoy,
 * "outlier detection"). Pure: times come in, answers go out.
 *
 * An endpoint is *in* or *out*. `report` moves it out, `sweep` moves it in again.
 * Invariants:
 *  E1 an endpoint goes out only when it has failed `consecutive5xx` or `consecutiveGateway` times without a success between.
 *  E2 never more than `maxPercent` of the endpoints are out, whatever order calls end in.
 *  E3 the only endpoint of a cluster is never out.
 *  E4 it is out for `baseMs` times its ejections, at most `maxMs`, and then until the next sweep; sweeps are `intervalMs` apart.
 *  E5 the factor falls by one for every sweep in which the endpoint is in, down to none.
 *  E6 what is out counts nothing; what comes in again begins at zero.
 */
import type { CallOutcome } from './types.ts';

export interface EjectionRules {
  /** 5xx, connection errors and time-outs in a row; 0: does not eject. */
  readonly consecutive5xx: number;
  /** 502 to 504, connection errors and time-outs in a row; 0: does not eject. */
  readonly consecutiveGateway: number;
  readonly intervalMs: number;
  readonly baseMs: number;
  readonly maxMs: number;
  /** Whole per cent of the endpoints. */
  readonly maxPercent: number;
}

/** Of one endpoint. */
export interface EjectionRecord {
  failures5xx: number;
  failuresGateway: number;
  /** Undefined: it is in. */
  ejectedAtMs: number | undefined;
  /** Of how many `baseMs` the present or next ejection is made; E5. */
  factor: number;
}

export const newEjectionRecord = (): EjectionRecord => ({
  failures5xx: 0,
  failuresGateway: 0,
  ejectedAtMs: undefined,
  factor: 0,
});

/** gRPC statuses as HTTP ones, as Envoy counts them. */
const HTTP_OF_GRPC = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/** The HTTP status that an end counts as; undefined: it says nothing about the endpoint. */
export const statusOfOutcome = ({ end, status, grpcStatus }: CallOutcome): number | undefined => {
  switch (end) {
    case 'answered':
      return grpcStatus === undefined || grpcStatus === 0 ? status : (HTTP_OF_GRPC[grpcStatus] ?? 500);
    case 'connect':
      return 503;
    case 'timeout':
      return 504;
    case 'reset':
    case 'refused':
      return 500;
    case 'cancelled':
      return undefined;
  }
};

export class Ejections {
  #rules: EjectionRules | undefined;
  #records: ReadonlySet<EjectionRecord> = new Set();
  #out = 0;
  #sweptAtMs: number | undefined;
  /** Since the start. */
  ejected = 0;

  get out(): number {
    return this.#out;
  }

  /** Other rules, other endpoints. Without rules everything is in. */
  update(rules: EjectionRules | undefined, records: ReadonlySet<EjectionRecord>): void {
    this.#rules = rules;
    this.#records = records;
    if (rules === undefined) for (const record of records) if (record.ejectedAtMs !== undefined) this.#admit(record);
    this.#out = 0;
    for (const record of records) if (record.ejectedAtMs !== undefined) this.#out += 1;
    // Endpoints went away: what is out may be too many of those that stay (E2, E3). The last ones come in first.
    for (const record of [...records].reverse())
      if (record.ejectedAtMs !== undefined && !this.#allowed(this.#out)) {
        this.#admit(record);
        this.#out -= 1;
      }
  }

  /** True: the endpoint is out now and was not before. */
  report(record: EjectionRecord, outcome: CallOutcome, nowMs: number): boolean {
    const rules = this.#rules;
    if (rules === undefined || record.ejectedAtMs !== undefined || !this.#records.has(record)) return false; // E6
    const status = statusOfOutcome(outcome);
    if (status === undefined) return false;
    record.failures5xx = status >= 500 ? record.failures5xx + 1 : 0;
    record.failuresGateway = status >= 502 && status <= 504 ? record.failuresGateway + 1 : 0;
    const reached = (count: number, limit: number): boolean => limit > 0 && count >= limit;
    if (
      !reached(record.failures5xx, rules.consecutive5xx) &&
      !reached(record.failuresGateway, rules.consecutiveGateway)
    )
      return false; // E1
    if (!this.#allowed(this.#out + 1)) return false;
    record.ejectedAtMs = nowMs;
    record.factor += 1;
    this.#out += 1;
    this.ejected += 1;
    return true;
  }

  /** True: endpoints came in. Does nothing until `intervalMs` have passed since the last time. A clock that jumps back restarts that. */
  sweep(nowMs: number): boolean {
    const rules = this.#rules;
    if (rules === undefined) return false;
    if (this.#sweptAtMs === undefined || nowMs < this.#sweptAtMs) this.#sweptAtMs = nowMs;
    else if (nowMs - this.#sweptAtMs < rules.intervalMs) return false;
    else this.#sweptAtMs = nowMs;
    let admitted = false;
    for (const record of this.#records) {
      const at = record.ejectedAtMs;
      if (at === undefined) {
        record.factor = Math.max(0, record.factor - 1); // E5
        continue;
      }
      if (nowMs < at) record.ejectedAtMs = nowMs;
      else if (nowMs - at >= Math.min(rules.maxMs, rules.baseMs * record.factor)) {
        this.#admit(record); // E4
        this.#out -= 1;
        admitted = true;
      }
    }
    return admitted;
  }

  #admit(record: EjectionRecord): void {
    record.ejectedAtMs = undefined;
    record.failures5xx = 0;
    record.failuresGateway = 0;
  }

  /** E2, E3. */
  #allowed(out: number): boolean {
    const total = this.#records.size;
    return total > 1 && out * 100 <= (this.#rules?.maxPercent ?? 0) * total;
  }
}
