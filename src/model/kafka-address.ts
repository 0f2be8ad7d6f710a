/** Address of a log on Kafka, as options and errors write it. */

export interface KafkaAddress {
  /** `HOST:PORT` of brokers to ask first; at least one. */
  readonly brokers: readonly string[];
  readonly topic: string;
}

export const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
export type SaslMechanism = (typeof SASL_MECHANISMS)[number];

const BROKER = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\],]+):([0-9]{1,5})$/;

const portOf = (broker: string): number => Number(BROKER.exec(broker)?.[1] ?? 0);

/** Reads `kafka://HOST:PORT[,HOST:PORT…]/TOPIC`; undefined when it is none. Topic names as Kafka allows them. */
export const parseKafkaAddress = (text: string): KafkaAddress | undefined => {
  const match = /^kafka:\/\/([^/]+)\/([A-Za-z0-9._-]{1,249})$/.exec(text);
  const [, hosts = '', topic = ''] = match ?? [];
  const brokers = hosts.split(',');
  if (match === null || topic === '.' || topic === '..') return undefined;
  return brokers.every((broker) => portOf(broker) > 0 && portOf(broker) <= 65535) ? { brokers, topic } : undefined;
};
