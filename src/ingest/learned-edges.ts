/**
 * Edges that xDS workers saw asked for, on their way into the log as `dependency.observed`. The log gets edges, not requests:
 * what the graph knows already is dropped here.
 *
 * Invariants:
 * 1. The source of such an event is the identity of the stream it was seen on, whatever the sidecar said.
 * 2. An edge gets an event for its first two witnesses, and for each new kind of evidence; never again for the same, unless it has
 *    expired: then the next question brings it back.
 * 3. At most `maxPending` observations wait; the oldest is dropped and counted. A dropped one is no loss for good: the sidecar
 *    holds the service already, and a question or use on another stream reports the edge again.
 * 4. At most one append is under way; what arrives meanwhile goes in the next one. After a failure the batch is kept and tried
 *    again after `retryMs`.
 */
import { createHash } from 'node:crypto';
import { parseServiceName, parseTarget, TendrilError } from '../model/index.ts';
import type { Ingest } from './ingest.ts';
import { type EdgePort, type IngestLogger, systemTimers, type Timers } from './ports.ts';
import { OWN_SOURCE } from './sources.ts';

export interface EdgeObservation {
  /** `<service>.<namespace>` of the caller. */
  readonly from: string;
  /** Canonical service port `<service>.<namespace>:<port>`. */
  readonly to: string;
  /** Identity of the stream. */
  readonly node: string;
  /** Default `subscribed`. */
  readonly evidence?: 'subscribed' | 'observed';
}

export interface LearnedEdgesOptions {
  readonly ingest: Pick<Ingest, 'submit'>;
  readonly graph: EdgePort;
  readonly logger: IngestLogger;
  readonly timers?: Timers;
  /** Default 10,000. */
  readonly maxPending?: number;
  /** Events of one append. Default 500. */
  readonly maxBatch?: number;
  /** Default 1,000 ms. */
  readonly retryMs?: number;
}

export interface LearnedEdgesCounters {
  readonly reported: number;
  /** Known already, in the graph or on the way there. */
  readonly known: number;
  /** No edge: names that do not fit. */
  readonly malformed: number;
  /** Dropped at the bound. */
  readonly dropped: number;
  readonly written: number;
  readonly failedAppends: number;
  readonly pending: number;
}

interface Pending {
  readonly from: string;
  readonly to: string;
  readonly source: string;
  readonly evidence: 'subscribed' | 'observed';
}

const MAX_WITNESSES = 2;
const MAX_NODE_ID = 240;

/** `sidecar:<node id>`; of an id too long for a source the beginning and a hash. */
export const sidecarSource = (node: string): string => {
  const plain = node.replace(/[\p{Cc}\p{Cs}]/gu, '_');
  if (plain === node && node.length <= MAX_NODE_ID) return `sidecar:${node}`;
  return `sidecar:${plain.slice(0, 200)}~${createHash('sha256').update(node).digest('hex').slice(0, 16)}`;
};

export class LearnedEdges {
  readonly #options: LearnedEdgesOptions;
  /** Observation key -> observation, oldest first; also what the running append holds. */
  readonly #pending = new Map<string, Pending>();
  /** Edge -> how many of its observations are on the way. */
  readonly #onTheWay = new Map<string, number>();
  readonly #counters = { reported: 0, known: 0, malformed: 0, dropped: 0, written: 0, failedAppends: 0 };
  #running: Promise<void> | undefined;
  #cancelRetry: (() => void) | undefined;
  #closed = false;

  constructor(options: LearnedEdgesOptions) {
    this.#options = options;
  }

  get counters(): LearnedEdgesCounters {
    return { ...this.#counters, pending: this.#pending.size };
  }

  /** Takes what workers report. Returns at once; never throws. */
  report(observations: Iterable<EdgeObservation>): void {
    for (const observation of observations) this.#take(observation);
    if (!this.#closed && this.#cancelRetry === undefined) this.#start();
  }

  /** Resolves when nothing is on the way any more, or the log does not take it now. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Writes what is pending, once, and takes no more. */
  async close(): Promise<void> {
    this.#stopRetry();
    this.#start();
    await this.settled();
    this.#closed = true;
    this.#stopRetry();
  }

  #take({ from, to, node, evidence = 'subscribed' }: EdgeObservation): void {
    this.#counters.reported++;
    if (parseServiceName(from) === undefined || parseTarget(to)?.port === undefined || node === '') {
      this.#counters.malformed++;
      return;
    }
    const edge = `${from}|${to}`;
    const source = sidecarSource(node);
    const key = `${edge}|${evidence}|${source}`;
    const known = this.#options.graph.edge(from, to);
    const newEvidence = known !== undefined && !known.evidence.includes(evidence);
    const onTheWay = this.#onTheWay.get(edge) ?? 0;
    const witnesses = (known?.witnesses.length ?? 0) + onTheWay;
    const enough =
      known?.expired === true ? onTheWay > 0 : witnesses >= MAX_WITNESSES || known?.witnesses.includes(source) === true;
    if (this.#pending.has(key) || this.#closed || (enough && !newEvidence)) {
      this.#counters.known++;
      return;
    }
    if (this.#pending.size >= (this.#options.maxPending ?? 10_000)) this.#dropOldest();
    this.#pending.set(key, { from, to, source, evidence });
    this.#onTheWay.set(edge, (this.#onTheWay.get(edge) ?? 0) + 1);
  }

  #dropOldest(): void {
    const [oldest] = this.#pending.keys();
    if (oldest === undefined) return;
    this.#remove(oldest);
    this.#counters.dropped++;
  }

  #remove(key: string): void {
    const observation = this.#pending.get(key);
    if (observation === undefined || !this.#pending.delete(key)) return;
    const edge = `${observation.from}|${observation.to}`;
    const left = (this.#onTheWay.get(edge) ?? 1) - 1;
    if (left > 0) this.#onTheWay.set(edge, left);
    else this.#onTheWay.delete(edge);
  }

  #start(): void {
    if (this.#running !== undefined || this.#pending.size === 0) return;
    this.#running = this.#write().finally(() => {
      this.#running = undefined;
      if (this.#pending.size > 0 && this.#cancelRetry === undefined && !this.#closed) this.#start();
    });
  }

  async #write(): Promise<void> {
    // What arrives in the same turn goes together.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const batch = [...this.#pending].slice(0, this.#options.maxBatch ?? 500);
    const events = batch.map(([, { from, to, source, evidence }]) => ({
      type: 'dependency.observed',
      source,
      data: { from, to, evidence },
    }));
    try {
      await this.#options.ingest.submit({ events, caller: OWN_SOURCE, atomic: false, internal: true });
      this.#counters.written += events.length;
      for (const [key] of batch) this.#remove(key);
    } catch (error) {
      this.#counters.failedAppends++;
      const code = error instanceof TendrilError ? error.code : 'INTERNAL';
      this.#options.logger.warn(
        { code, error, pending: this.#pending.size },
        'learned edges not written, trying again',
      );
      if (code.startsWith('E')) for (const [key] of batch) this.#remove(key);
      else this.#retryLater();
    }
  }

  #stopRetry(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }

  #retryLater(): void {
    if (this.#closed) return;
    this.#cancelRetry = (this.#options.timers ?? systemTimers).after(this.#options.retryMs ?? 1_000, () => {
      this.#cancelRetry = undefined;
      this.#start();
    });
  }
}
