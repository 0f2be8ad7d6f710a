/** The log in a topic of Kafka: appends go to the topic, reads come from the mirror (decision 012). */
import { type EventEnvelope, type KafkaAddress, TendrilError } from '../../model/index.ts';
import type { DiskGuard, Environment, OpenedAs, StoreLogger } from '../../store/index.ts';
import { AppendQueue } from '../append-queue.ts';
import type { AppendResult, FollowOptions, LogBase, LogHead, LogRecord } from '../event-log.ts';
import type { LogCondition } from '../log-condition.ts';
import type { Clock, LogCounters, LogLimits } from '../log-core.ts';
import { defaultLimits } from '../log-core.ts';
import { closedError } from '../log-errors.ts';
import { markMirrorOf } from '../mirror-mark.ts';
import { offsetAt } from '../offset-at.ts';
import type { OpenedLog } from '../opened-log.ts';
import { type EncodedEvent, encodeEvent } from '../record-codec.ts';
import { Appender, brokenError } from './appender.ts';
import { AWAY_REMEDY, conditionOf } from './contact.ts';
import { Mirror, type OpenedMirror } from './mirror.ts';
import type { KafkaSettings } from './settings.ts';
import { TopicReader } from './topic-reader.ts';

/** Kafka may be away for a while: what waits then is bounded by this (issue 6, 1.4). */
const MAX_WAITING_BYTES = 256 * 2 ** 20;
/** Header names, lengths and the key of one record, beside what the log's own record has; amply. */
const RECORD_OVERHEAD = 400;
const BATCH_OVERHEAD = 1024;

export interface KafkaLogOptions {
  readonly address: KafkaAddress;
  readonly settings: KafkaSettings;
  readonly mesh: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly tokenPrefix: string;
  readonly logger?: StoreLogger;
  readonly guard?: DiskGuard;
  readonly limits?: Partial<LogLimits>;
}

export class KafkaLog implements OpenedLog {
  readonly kind = 'kafka';
  readonly mesh: string;
  readonly opened: OpenedAs;
  readonly storage: Environment;
  readonly #options: KafkaLogOptions;
  readonly #limits: LogLimits;
  readonly #mirror: Mirror;
  readonly #opened: OpenedMirror;
  readonly #reader: TopicReader;
  readonly #appender: Appender;
  readonly #queue: AppendQueue;
  readonly #refused: Record<string, number> = {};
  #awaySince: number | undefined;
  #awayMs = 0;
  #closing: Promise<void> | undefined;

  constructor(options: KafkaLogOptions, opened: OpenedMirror) {
    this.mesh = options.mesh;
    this.opened = opened.environment.opened;
    this.storage = opened.environment;
    this.#opened = opened;
    this.#options = options;
    this.#limits = { ...defaultLimits, maxWaitingBytes: MAX_WAITING_BYTES, ...options.limits };
    this.#mirror = new Mirror(opened.backend, this.#limits);
    this.#reader = new TopicReader({
      ...options,
      mirror: this.#mirror,
      onMirrored: (run, first) => this.#appender.mirrored(run, first),
      onCompared: () => markMirrorOf(opened.environment, options.address.topic),
      onContact: ({ state, why }) => {
        this.#countAway(state === 'away');
        if (state === 'broken') this.#appender.refuseAll(brokenError(why));
      },
    });
    const { address, tokenPrefix } = options;
    this.#appender = new Appender({ reader: this.#reader, mirror: this.#mirror, topic: address.topic, tokenPrefix });
    this.#queue = new AppendQueue(
      // Half of what the topic takes: the rest is for what Kafka's form has more.
      () => ({
        maxWaitingBytes: this.#limits.maxWaitingBytes,
        maxCommitBytes: Math.min(this.#limits.maxCommitBytes, this.#reader.maxMessageBytes / 2),
      }),
      (group) => this.#appender.write(group),
    );
    this.#reader.start();
  }

  get condition(): LogCondition {
    return conditionOf(this.#reader.contact, this.#reader.warnings);
  }

  get failure(): TendrilError | undefined {
    return this.#opened.environment.failure;
  }

  get counters(): LogCounters {
    const { produceFailures, sentAgain, ...appended } = this.#appender.counters;
    const awayMs = this.#awayMs + (this.#awaySince === undefined ? 0 : this.#now() - this.#awaySince);
    return {
      ...appended,
      ...this.#mirror.followers.counters,
      refused: this.#refused,
      contact: { ...this.#reader.counters, produceFailures, sentAgain, awayMs },
    };
  }

  get waitingBytes(): number {
    return this.#queue.waitingBytes;
  }

  head(): LogHead {
    return this.#mirror.head;
  }

  async append(events: readonly EventEnvelope[]): Promise<AppendResult> {
    try {
      this.#requireOpen();
      if (events.length === 0) return { offsets: [], recordedAt: this.head().recordedAt };
      const encoded = events.map((event) => encodeEvent(event, this.mesh));
      this.#requireWritable(encoded);
      return await this.#queue.enqueue(encoded);
    } catch (error) {
      const code = error instanceof TendrilError ? error.code : 'UNKNOWN';
      this.#refused[code] = (this.#refused[code] ?? 0) + 1;
      throw error;
    }
  }

  read(options: FollowOptions): AsyncIterable<readonly LogRecord[]> {
    return this.#mirror.followers.iterate(options, this.head().offset);
  }

  follow(options: FollowOptions): AsyncIterable<readonly LogRecord[]> {
    return this.#mirror.followers.iterate(options, Number.POSITIVE_INFINITY);
  }

  offsetAt(recordedAt: number): number {
    this.#requireOpen();
    return offsetAt(this.#mirror.backend, this.head(), recordedAt);
  }

  /** Until the topic's end, as it was at the first contact, is here; or the contact fails, or breaks. */
  async settled(): Promise<void> {
    while (this.condition.state === 'catching-up') await this.#reader.changed();
  }

  /** Until the first contact has been made or has failed. */
  async contacted(): Promise<void> {
    while (this.condition.state === 'catching-up' && this.#reader.client === undefined) await this.#reader.changed();
  }

  /** Of the mirror; the topic has its own retention. */
  async prune(base: LogBase): Promise<void> {
    this.#requireOpen();
    await this.#mirror.prune(base);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#mirror.endFollowers();
    await this.#appender.close(this.#queue);
    await this.#reader.close();
    await this.#queue.idle();
    await this.#appender.idle();
    await this.#mirror.shut();
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw closedError();
  }

  #requireWritable(events: readonly EncodedEvent[]): void {
    const { state, why } = this.#reader.contact;
    if (state === 'broken') throw brokenError(why);
    if (state === 'away' && this.#options.settings.whenAway === 'refuse') {
      throw new TendrilError('LOG_AWAY', `nothing can be written: ${why?.message ?? 'no contact with Kafka'}`, {
        remedy: AWAY_REMEDY,
      });
    }
    const bytes = events.reduce((sum, event) => sum + event.bytes, 0);
    // What the topic takes must find room in the mirror.
    this.#options.guard?.admit(bytes);
    const most = this.#reader.maxMessageBytes;
    const size = BATCH_OVERHEAD + bytes + events.length * RECORD_OVERHEAD;
    if (this.#reader.client === undefined || size <= most) return;
    throw new TendrilError('EVENT_TOO_LARGE', `a batch of about ${size} bytes; the topic takes ${most}`, {
      remedy: 'send smaller batches, or raise max.message.bytes of the topic',
    });
  }

  #countAway(isAway: boolean): void {
    if (isAway) this.#awaySince ??= this.#now();
    else if (this.#awaySince !== undefined) {
      this.#awayMs += this.#now() - this.#awaySince;
      this.#awaySince = undefined;
    }
  }

  #now(): number {
    return this.#options.clock.now();
  }
}
