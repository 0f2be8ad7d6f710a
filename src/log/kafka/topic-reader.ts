/**
 * Keeps the contact with the topic and fills the mirror. One contact at a time; after a failure the next one comes within 2 s.
 *
 * Invariants
 * R1 A record is mirrored only when the one before it is the mirror's newest: at every contact the topic's record at the mirror's
 *    newest offset must have the same bytes.
 * R2 An offset that is no longer there, or not yet, ends the reading with a code (`break.ts`); nothing is skipped.
 * R3 A contact that gives no answer for 15 s, no byte of one where it is a fetch, counts as broken off.
 * R4 `close` waits for no answer of a broker.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { TendrilError } from '../../model/index.ts';
import type { Clock } from '../log-core.ts';
import { BREAKS, gapError, truncatedError } from './break.ts';
import { compareTail, TailNotThere } from './compare-tail.ts';
import { type Contact, type ContactEvent, contactAfter, firstContact } from './contact.ts';
import { type Fetched, OFFSET_OUT_OF_RANGE } from './fetch-response.ts';
import { connectKafka, type KafkaClient } from './kafka-client.ts';
import { createAdmin, type LibraryOptions, reasonOf, unlessAborted } from './library.ts';
import type { Mirror } from './mirror.ts';
import { type MirroredRun, mirroredRun } from './topic-records.ts';
import { ensureTopic, requireFit } from './topic-settings.ts';

export interface TopicReaderOptions extends LibraryOptions {
  readonly mesh: string;
  readonly mirror: Mirror;
  readonly clock: Clock;
  /** From 0 up to 1: spreads the attempts of many replicas. */
  readonly random: () => number;
  /** A run is in the mirror; its first record has this offset. */
  readonly onMirrored: (run: MirroredRun, first: number) => void;
  /** R1 holds: the mirror is one of this topic. */
  readonly onCompared: () => Promise<void>;
  readonly onContact: (contact: Contact) => void;
}

/** Attempts come after 0.1, 0.2, 0.4 … s, at most 2, of which a random half. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;
/** A broker that has just started may not know its topics yet. */
const MISSING_ATTEMPTS = 6;
const DEFAULT_MESSAGE_BYTES = 2 ** 20;

export class TopicReader {
  readonly counters = { contacts: 0, failures: 0, fetches: 0, records: 0, breaks: 0 };
  /** Of the topic's settings. */
  warnings: readonly string[] = [];
  maxMessageBytes = DEFAULT_MESSAGE_BYTES;
  readonly #options: TopicReaderOptions;
  readonly #stop = new AbortController();
  #contact: Contact;
  #client: KafkaClient | undefined;
  #changed: (() => void)[] = [];
  #missing = 0;
  /** Contacts one after the other that did not find the mirror's newest record. */
  #withoutTail = 0;
  #checked = false;
  #leaderEpoch = -1;
  #running: Promise<void> | undefined;

  constructor(options: TopicReaderOptions) {
    // R4: cuts the sockets of contacts that are only being made, too.
    this.#options = { ...options, signal: this.#stop.signal };
    this.#contact = firstContact(options.clock.now(), options.mirror.head.offset);
  }

  get contact(): Contact {
    return this.#contact;
  }

  /** Undefined while there is no contact. */
  get client(): KafkaClient | undefined {
    return this.#client;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves at the next change of the contact, or of the client. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed.push(resolve);
    });
  }

  /** Ends the contact; the next one begins at once. */
  cut(client: KafkaClient): void {
    client.close();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#client?.close();
    await this.#running;
    this.#tell();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      const before = this.counters.contacts;
      try {
        await this.#hold();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof TendrilError && BREAKS.has(error.code)) return this.#break(error);
        failures = this.counters.contacts > before ? 0 : failures + 1;
        this.#withoutTail = error instanceof TailNotThere ? this.#withoutTail + 1 : 0;
        this.#fail(error);
        const most = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
        const ms = most / 2 + (most / 2) * this.#options.random();
        await pause(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
  }

  /** One contact, until it fails. */
  async #hold(): Promise<void> {
    const { signal } = this.#stop;
    if (!this.#checked || this.#missing > 0) await unlessAborted(signal, this.#check());
    const { address, onCompared } = this.#options;
    const client = await unlessAborted(signal, connectKafka(this.#options));
    try {
      const { low, high } = await unlessAborted(signal, client.bounds());
      const { topic } = address;
      const tail = { ...this.#options, topic, signal, withoutTail: this.#withoutTail };
      await unlessAborted(signal, compareTail(client, { low, high }, tail));
      await onCompared();
      this.counters.contacts++;
      this.#client = client;
      this.#move({ what: 'connected', atMs: this.#now(), end: high });
      this.#tell();
      await this.#fetchAll(client);
    } finally {
      client.close();
      this.#client = undefined;
    }
  }

  /** Creates the topic, or checks its settings. */
  async #check(): Promise<void> {
    const { address, mirror, logger } = this.#options;
    const admin = createAdmin(this.#options);
    try {
      await admin.connect();
      const { offset } = mirror.head;
      const verdict = await ensureTopic(admin, address, offset === 0);
      if (verdict === undefined) {
        if (++this.#missing >= MISSING_ATTEMPTS) throw truncatedError(address.topic, offset, undefined);
        throw new Error(`topic ${address.topic} is missing`);
      }
      this.#missing = 0;
      requireFit(verdict, address);
      this.#checked = true;
      for (const warning of verdict.warnings)
        if (!this.warnings.includes(warning)) logger?.warn({ topic: address.topic }, warning);
      this.warnings = verdict.warnings;
      this.maxMessageBytes = verdict.maxMessageBytes;
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
  }

  /** The next fetch is under way while a run goes to disk. */
  async #fetchAll(client: KafkaClient): Promise<void> {
    const { mirror, mesh, onMirrored } = this.#options;
    let { offset: from, recordedAt } = mirror.head;
    let coming = client.fetch(from);
    this.#leaderEpoch = -1;
    while (!this.#stop.signal.aborted) {
      const fetched = await coming;
      this.counters.fetches++;
      if (fetched.errorCode === OFFSET_OUT_OF_RANGE) await this.#outOfRange(client);
      this.#requireGood(fetched);
      const run = mirroredRun(fetched, { from, recordedAt, mesh });
      from += run.records.length;
      recordedAt = run.records.at(-1)?.recordedAt ?? recordedAt;
      coming = client.fetch(from);
      // Awaited in the next round, unless this one ends the contact.
      coming.catch(() => undefined);
      if (run.records.length > 0) {
        const first = mirror.head.offset + 1;
        await mirror.add(run.records);
        this.counters.records += run.records.length;
        onMirrored(run, first);
      }
      this.#move({ what: 'progress', head: mirror.head.offset, end: fetched.highWatermark });
    }
  }

  /** R2: it is said what is missing, or a new contact finds out. */
  async #outOfRange(client: KafkaClient): Promise<never> {
    const { mirror, address } = this.#options;
    const { low, high } = await client.bounds();
    const { offset } = mirror.head;
    if (offset < low) throw gapError(address.topic, offset + 1, low + 1);
    if (offset > high) throw truncatedError(address.topic, offset, high);
    throw new Error(`offset ${offset + 1} was out of range for a moment`);
  }

  #requireGood({ errorCode, batches }: Fetched): void {
    if (errorCode !== 0) throw new Error(`the broker answers a fetch with error ${errorCode}`);
    for (const { leaderEpoch } of batches) {
      // The topic was made anew, or a leader lost records: R1 is checked again.
      if (leaderEpoch < this.#leaderEpoch) throw new Error('the leader epoch went back');
      this.#leaderEpoch = leaderEpoch;
    }
  }

  #fail(error: unknown): void {
    this.counters.failures++;
    const { message } = reasonOf(error);
    if (this.#contact.state !== 'away')
      this.#options.logger?.warn({ topic: this.#options.address.topic, reason: message }, 'no contact with Kafka');
    this.#move({ what: 'failed', atMs: this.#now(), message: `no contact with Kafka: ${message}` });
    this.#checked = false;
    this.#tell();
  }

  #break(error: TendrilError): void {
    this.counters.breaks++;
    this.#options.logger?.error({ code: error.code, remedy: error.remedy }, error.message);
    this.#move({ what: 'broken', atMs: this.#now(), error });
    this.#tell();
  }

  #move(event: ContactEvent): void {
    const before = this.#contact.state;
    this.#contact = contactAfter(this.#contact, event);
    this.#options.onContact(this.#contact);
    if (before !== this.#contact.state) this.#tell();
  }

  #tell(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const resolve of waiting) resolve();
  }

  #now(): number {
    return this.#options.clock.now();
  }
}
