/** Questions to another replica over its HTTP API. */
import { TendrilError } from '../../model/index.ts';
import type { WorkerQuestion } from '../messages.ts';
import type { Proof } from './compare.ts';

/** What a replica says of itself (`GET /v1/replica`). */
export interface ReplicaStatement {
  readonly id: string;
  readonly mesh: string;
  readonly version: string;
  readonly state: 'serving' | 'catching-up' | 'out' | 'failed';
  /** Of its visible state. */
  readonly offset: number;
  /** Connected sidecars. */
  readonly sidecars: number;
  /** Newest first. */
  readonly proofs: readonly Proof[];
}

/** Questions of the keeper to the workers of all replicas, and (`leases`) to the replicas themselves. */
export type ReplicaQuestion =
  | Extract<WorkerQuestion, { readonly what: 'reporting' | 'presence' }>
  | { readonly what: 'leases'; readonly leases: readonly LeaseAsked[] };

/** `[service, id, source, offset of its last event]`. */
export type LeaseAsked = readonly [service: string, id: string, source: string, offset: number];

export interface ReplicaAnswer {
  /** One for each worker that answered. */
  readonly answers: readonly unknown[];
  /** All workers that there should be have answered. */
  readonly complete: boolean;
}

const TIMEOUT_MS = 3_000;
/** Holders of 10,000 sidecars are about 1 MB. */
const MAX_BYTES = 32 * 2 ** 20;

const readBounded = async (response: Response): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  if (response.body !== null)
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > MAX_BYTES) throw new RangeError(`the answer has more than ${MAX_BYTES} bytes`);
      chunks.push(chunk);
    }
  return Buffer.concat(chunks).toString('utf8');
};

export class PeerClient {
  readonly #admin: string;

  readonly #stop: AbortSignal;

  /**
   * @param admin `http://HOST:PORT`
   * @param stop ends questions that are open: a process that ends does not wait for another one
   */
  constructor(admin: string, stop: AbortSignal) {
    this.#admin = admin;
    this.#stop = stop;
  }

  statement(): Promise<ReplicaStatement> {
    return this.#ask<ReplicaStatement>('/v1/replica', undefined);
  }

  /** @param term of the keeper that asks: a replica that knows a later one does not answer */
  ask(term: number, question: ReplicaQuestion): Promise<ReplicaAnswer> {
    return this.#ask<ReplicaAnswer>('/v1/replica:ask', JSON.stringify({ term, question }));
  }

  async #ask<T>(path: string, body: string | undefined): Promise<T> {
    const post = body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    try {
      const response = await fetch(`${this.#admin}${path}`, {
        ...post,
        signal: AbortSignal.any([this.#stop, AbortSignal.timeout(TIMEOUT_MS)]),
        redirect: 'error',
      });
      const text = await readBounded(response);
      if (!response.ok) throw new Error(`status ${response.status}: ${text.slice(0, 200)}`);
      return JSON.parse(text) as T;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new TendrilError('REPLICA_UNREACHABLE', `${this.#admin}${path}: ${why}`, {
        remedy: 'look whether that replica runs; when it is gone for good: `tendril replicas remove ID`',
        cause: error,
      });
    }
  }
}
