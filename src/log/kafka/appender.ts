/**
 * Writes appends to the topic and settles them when the mirror has passed them.
 *
 * Invariants
 * P1 An append resolves only when its records were read back from the topic and are in the mirror; its offsets are those of the
 *    first copy seen.
 * P2 One request is in flight; its appends are one batch, so each append is one contiguous run.
 * P3 After a request that failed or timed out its producer is never used again (the broker may answer the next batch of the same
 *    sequence number with the place of the old one). What was in flight is in doubt: it is sent again, by a new producer, only when
 *    everything up to the topic's end as it was after the failure has been read and it was not there. A second copy may still
 *    come; the fold knows it by (source, id).
 * P4 Without contact an append waits or is refused, as asked; once the reading has ended for good it is refused.
 * P5 A batch that was acknowledged, and whose place the mirror has passed without its token, was lost with its leader: it is sent
 *    again.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { TendrilError } from '../../model/index.ts';
import type { AppendQueue, WaitingAppend } from '../append-queue.ts';
import { closedError } from '../log-errors.ts';
import { type KafkaMessage, messageOf } from './cloud-event.ts';
import type { KafkaClient, Producer } from './kafka-client.ts';
import { reasonOf } from './library.ts';
import type { Mirror } from './mirror.ts';
import type { TopicReader } from './topic-reader.ts';
import type { MirroredRun } from './topic-records.ts';

/** What the broker answers when it has not taken a batch and never will. */
const REFUSALS: ReadonlyMap<string, string> = new Map([
  ['MESSAGE_TOO_LARGE', 'EVENT_TOO_LARGE'],
  ['RECORD_LIST_TOO_LARGE', 'EVENT_TOO_LARGE'],
  ['INVALID_RECORD', 'LOG_REFUSED'],
  ['TOPIC_AUTHORIZATION_FAILED', 'LOG_REFUSED'],
  ['CLUSTER_AUTHORIZATION_FAILED', 'LOG_REFUSED'],
]);
const MAX_PAUSE_MS = 2_000;
/** How long a stop waits for what is in flight; well below what the stop of the core has (`STOP_CORE_MS`). */
const CLOSE_WAIT_MS = 500;

export interface AppenderOptions {
  readonly reader: TopicReader;
  readonly mirror: Mirror;
  readonly topic: string;
  /** Never given by another process or an earlier one. */
  readonly tokenPrefix: string;
}

export class Appender {
  readonly counters = { appends: 0, events: 0, bytes: 0, commits: 0, produceFailures: 0, sentAgain: 0 };
  readonly #options: AppenderOptions;
  /** In flight, by the token in their first record. Bound: the queue's bytes. */
  readonly #inFlight = new Map<string, WaitingAppend>();
  #producer: { readonly client: KafkaClient; readonly producer: Producer } | undefined;
  /** P5. `end`: offset of the log by which the tokens must have been seen. */
  #acknowledged: { readonly end: number; readonly tokens: readonly string[] }[] = [];
  /** Last offset whose tokens have been looked at. */
  #passed = 0;
  #tokens = 0;
  readonly #stop = new AbortController();
  /** P2 */
  #turn: Promise<void> = Promise.resolve();
  #whenSettled: (() => void) | undefined;

  constructor(options: AppenderOptions) {
    this.#options = options;
  }

  /** For `AppendQueue`: resolves when the next group may be written. */
  async write(group: readonly WaitingAppend[]): Promise<void> {
    const tokens = group.map((append) => {
      const token = `${this.#options.tokenPrefix}-${++this.#tokens}`;
      this.#inFlight.set(token, append);
      return token;
    });
    await this.#inTurn(tokens);
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    await this.#turn;
  }

  /** P1: a run is in the mirror. */
  mirrored({ appends, records }: MirroredRun, first: number): void {
    for (const { token, index } of appends) {
      const append = this.#inFlight.get(token);
      if (append === undefined) continue;
      this.#inFlight.delete(token);
      const { events, bytes } = append;
      this.counters.appends++;
      this.counters.events += events.length;
      this.counters.bytes += bytes;
      const recordedAt = records[index + events.length - 1]?.recordedAt ?? 0;
      append.resolve({ offsets: events.map((_, at) => first + index + at), recordedAt });
    }
    this.#passed = first + records.length - 1;
    this.#sendLost();
    if (this.#inFlight.size === 0) this.#whenSettled?.();
  }

  /** P4: nothing more will be read. */
  refuseAll(error: TendrilError): void {
    this.#reject([...this.#inFlight.keys()], error);
  }

  /** Waits a moment for what is in flight; the rest is rejected. */
  async close(queue: AppendQueue): Promise<void> {
    const settled = new Promise<void>((resolve) => {
      this.#whenSettled = resolve;
    });
    const flushed = async (): Promise<void> => {
      await queue.idle();
      if (this.#inFlight.size > 0) await settled;
    };
    const enough = new AbortController();
    const limit = pause(CLOSE_WAIT_MS, undefined, { signal: enough.signal }).catch(() => undefined);
    if (this.#options.reader.client !== undefined) await Promise.race([flushed(), limit]);
    enough.abort();
    this.#stop.abort();
    queue.refuseWaiting(closedError);
    this.#reject([...this.#inFlight.keys()], closedError());
  }

  /** P2. Never rejects. */
  #inTurn(tokens: readonly string[]): Promise<void> {
    this.#turn = this.#turn.then(() => this.#writeAll(tokens)).catch((error: unknown) => this.#reject(tokens, error));
    return this.#turn;
  }

  /** P5 */
  #sendLost(): void {
    const passed = this.#acknowledged.filter(({ end }) => end <= this.#passed);
    if (passed.length === 0) return;
    this.#acknowledged = this.#acknowledged.filter(({ end }) => end > this.#passed);
    for (const { tokens } of passed) {
      const lost = tokens.filter((token) => this.#inFlight.has(token));
      if (lost.length === 0) continue;
      this.counters.sentAgain += lost.length;
      void this.#inTurn(lost);
    }
  }

  async #writeAll(tokens: readonly string[]): Promise<void> {
    for (let failures = 0; ; failures++) {
      const client = await this.#contact();
      const left = tokens.filter((token) => this.#inFlight.has(token));
      if (left.length === 0) return;
      if (failures > 0) this.counters.sentAgain += left.length;
      if (await this.#tryWrite(client, left)) return;
      // P3
      await this.#readUp();
      const ms = Math.min(MAX_PAUSE_MS, 50 * 2 ** failures);
      await pause(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  /** False: in doubt. */
  async #tryWrite(client: KafkaClient, tokens: readonly string[]): Promise<boolean> {
    try {
      if (this.#producer?.client !== client) this.#producer = { client, producer: await client.newProducer() };
      const { producer } = this.#producer;
      const messages = this.#messages(tokens);
      const base = await client.produce(producer, messages);
      this.counters.commits++;
      // Offset n of the topic is offset n + 1 of the log.
      if (base >= 0) this.#acknowledged.push({ end: base + messages.length, tokens });
      this.#sendLost();
      return true;
    } catch (error) {
      this.#producer = undefined;
      this.counters.produceFailures++;
      const reason = reasonOf(error);
      const code = REFUSALS.get(reason.type ?? '');
      if (code !== undefined) {
        const remedy =
          code === 'EVENT_TOO_LARGE' ? 'send smaller batches' : 'let the user of Tendril write to the topic';
        throw new TendrilError(code, `topic ${this.#options.topic} refuses the events: ${reason.message}`, { remedy });
      }
      this.#options.reader.cut(client);
      return false;
    }
  }

  #messages(tokens: readonly string[]): readonly KafkaMessage[] {
    return tokens.flatMap((token) => {
      const events = this.#inFlight.get(token)?.events ?? [];
      return events.map(({ event }, index) => (index === 0 ? messageOf(event, token) : messageOf(event)));
    });
  }

  /** Until the mirror has everything that is in the topic as of now. */
  async #readUp(): Promise<void> {
    const { mirror, reader } = this.#options;
    for (;;) {
      const client = await this.#contact();
      try {
        const { high } = await client.bounds();
        const reached = mirror.reaches(high);
        while (mirror.head.offset < high && reader.client === client) await Promise.race([reached, reader.changed()]);
        if (mirror.head.offset >= high) return;
      } catch {
        await pause(50);
      }
    }
  }

  async #contact(): Promise<KafkaClient> {
    const { reader } = this.#options;
    for (;;) {
      if (this.#stop.signal.aborted) throw closedError();
      const { why, state } = reader.contact;
      if (state === 'broken') throw brokenError(why);
      if (reader.client !== undefined) return reader.client;
      await reader.changed();
    }
  }

  #reject(tokens: readonly string[], error: unknown): void {
    for (const token of tokens) {
      this.#inFlight.get(token)?.reject(error);
      this.#inFlight.delete(token);
    }
  }
}

/** What an append gets when the reading has ended for good. */
export const brokenError = (why: TopicReader['contact']['why']): TendrilError =>
  new TendrilError(why?.code ?? 'LOG_GAP', why?.message ?? 'the log is broken', {
    ...(why?.remedy === undefined ? {} : { remedy: why.remedy }),
  });
