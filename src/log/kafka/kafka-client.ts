/**
 * One contact with the leader of the topic's only partition. Nothing is tried twice: any failure ends the contact.
 *
 * Invariants
 * K1 A slow link is not a dead one: a fetch ends the contact when no byte of it has come for 15 s, however long it takes; an append
 *    when it has taken 15 s and what its bytes take at 512 B/s. (While an append takes its time, fetches tell that the broker lives.)
 */

import type { KafkaMessage } from './cloud-event.ts';
import { decodeFetched, FETCH_VERSION, type Fetched } from './fetch-response.ts';
import {
  createCluster,
  fetchRequest,
  type LibraryBroker,
  type LibraryCluster,
  type LibraryOptions,
  type Produced,
  produceRequest,
  REQUEST_TIMEOUT_MS,
  type Sockets,
} from './library.ts';

const PARTITION = 0;
/** Transactions that are open or were aborted are not read as if they had been committed. */
const READ_COMMITTED = 1;
const READ_UNCOMMITTED = 0;
const EARLIEST = '-2';
const LATEST = '-1';
/** `Fetch` in Kafka's table of requests. */
const FETCH_KEY = 1;
/** A fetch that finds nothing is answered after so long. */
const FETCH_WAIT_MS = 100;
const FETCH_BYTES = 4 * 2 ** 20;
const PRODUCE_TIMEOUT_MS = 10_000;
/** Of a record beside its value: headers, key, lengths. */
const RECORD_OVERHEAD = 400;
/** K1: bytes a second that a link must have. */
const SLOWEST = 512;
/** K1: kafkajs counts the whole answer; silence is watched here. */
const NO_TIMEOUT_MS = 2 ** 40;
const SEQUENCES = 2 ** 31;

/** An idempotent producer's identity: never used again after a failure. */
export interface Producer {
  readonly id: unknown;
  readonly epoch: number;
  sequence: number;
}

export interface KafkaClient {
  /** First offset kept, and the offset after the last record that all replicas in sync have. */
  bounds(): Promise<{ readonly low: number; readonly high: number }>;
  /** @param bytes bound of what is given; one batch at least, if there is one */
  fetch(from: number, bytes?: number): Promise<Fetched>;
  newProducer(): Promise<Producer>;
  /** One batch, acknowledged by all replicas in sync; gives the offset of its first record. */
  produce(producer: Producer, messages: readonly KafkaMessage[]): Promise<number>;
  /** Cuts the connections; whatever waits is rejected. */
  close(): void;
}

/** Rejects when no broker answers, the topic is missing, or it has not exactly one partition with a leader. */
export const connectKafka = async (options: LibraryOptions): Promise<KafkaClient> => {
  const { cluster, sockets } = createCluster(options);
  try {
    return await openClient(cluster, sockets, options.address.topic);
  } catch (error) {
    sockets.cut(new Error('the contact failed'));
    throw error;
  }
};

const openClient = async (cluster: LibraryCluster, sockets: Sockets, topic: string): Promise<KafkaClient> => {
  await cluster.connect();
  await cluster.addTargetTopic(topic);
  const leader = cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === PARTITION)?.leader;
  if (leader === undefined || leader < 0) throw new Error(`topic ${topic} has no leader`);
  const broker = await cluster.findBroker({ nodeId: leader });
  const known = broker.versions?.[FETCH_KEY]?.maxVersion ?? 0;
  if (known < FETCH_VERSION) throw new Error(`the broker is older than Kafka 2.3 (Fetch ${known})`);
  return new LeaderClient(broker, sockets, topic);
};

class LeaderClient implements KafkaClient {
  readonly #broker: LibraryBroker;
  readonly #sockets: Sockets;
  readonly #topic: string;

  constructor(broker: LibraryBroker, sockets: Sockets, topic: string) {
    this.#broker = broker;
    this.#sockets = sockets;
    this.#topic = topic;
  }

  async bounds(): Promise<{ readonly low: number; readonly high: number }> {
    const [low, high] = await Promise.all([this.#offset(EARLIEST), this.#offset(LATEST)]);
    return { low, high };
  }

  async fetch(from: number, bytes = FETCH_BYTES): Promise<Fetched> {
    const partition = { partition: PARTITION, fetchOffset: String(from), maxBytes: bytes };
    const request = fetchRequest({
      replicaId: -1,
      isolationLevel: READ_COMMITTED,
      maxWaitTime: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: bytes,
      topics: [{ topic: this.#topic, partitions: [partition] }],
    });
    const response = {
      decode: async (answer: Buffer) => decodeFetched(answer),
      parse: async (decoded: unknown) => decoded,
    };
    const exchange = { request, response, requestTimeout: NO_TIMEOUT_MS };
    const { connectionPool } = this.#broker;
    const { socket } = await connectionPool.getConnectionByRequest(exchange);
    return (await unlessSilent(connectionPool.send(exchange), () => socket.bytesRead)) as Fetched;
  }

  async newProducer(): Promise<Producer> {
    const { producerId, producerEpoch } = await this.#broker.initProducerId({ transactionTimeout: 60_000 });
    return { id: producerId, epoch: producerEpoch, sequence: 0 };
  }

  async produce(producer: Producer, messages: readonly KafkaMessage[]): Promise<number> {
    const partition = { partition: PARTITION, firstSequence: producer.sequence, messages };
    producer.sequence = (producer.sequence + messages.length) % SEQUENCES;
    const exchange = produceRequest(this.#broker)({
      topicData: [{ topic: this.#topic, partitions: [partition] }],
      producerId: producer.id,
      producerEpoch: producer.epoch,
      acks: -1,
      timeout: PRODUCE_TIMEOUT_MS,
    });
    const bytes = messages.reduce((sum, { value }) => sum + value.length + RECORD_OVERHEAD, 0);
    const requestTimeout = REQUEST_TIMEOUT_MS + (bytes / SLOWEST) * 1_000;
    const { topics } = (await this.#broker.connectionPool.send({ ...exchange, requestTimeout })) as Produced;
    return Number(topics[0]?.partitions[0]?.baseOffset);
  }

  close(): void {
    this.#sockets.cut(new Error('the contact was ended'));
  }

  async #offset(timestamp: string): Promise<number> {
    const { responses } = await this.#broker.listOffsets({
      replicaId: -1,
      isolationLevel: READ_UNCOMMITTED,
      topics: [{ topic: this.#topic, partitions: [{ partition: PARTITION, timestamp }] }],
    });
    return Number(responses[0]?.partitions[0]?.offset);
  }
}

/** K1: rejects when `read`, a count, stands still for as long as a connection may be silent. */
const unlessSilent = <T>(answer: Promise<T>, read: () => number): Promise<T> =>
  new Promise((resolve, reject) => {
    let before = read();
    const watch = setInterval(() => {
      const now = read();
      if (now === before) reject(new Error(`no answer for ${REQUEST_TIMEOUT_MS / 1_000} s`));
      before = now;
    }, REQUEST_TIMEOUT_MS);
    answer.then(resolve, reject).finally(() => clearInterval(watch));
  });
