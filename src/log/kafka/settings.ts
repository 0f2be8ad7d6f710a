/** Where the topic is, and how its brokers are spoken to. */
import { TendrilError } from '../../model/index.ts';

export interface KafkaAddress {
  /** `HOST:PORT` of brokers to ask first; at least one. */
  readonly brokers: readonly string[];
  readonly topic: string;
}

export interface KafkaSettings {
  /** Certificates as PEM text; undefined: no TLS. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly sasl?: { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string };
  /** What an append does while no broker answers (default `wait`). */
  readonly whenAway?: 'wait' | 'refuse';
}

export const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
export type SaslMechanism = (typeof SASL_MECHANISMS)[number];

const BROKER = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\],]+):([0-9]{1,5})$/;

/** Reads `kafka://HOST:PORT[,HOST:PORT…]/TOPIC`; undefined when it is none. */
export const parseKafkaAddress = (text: string): KafkaAddress | undefined => {
  const match = /^kafka:\/\/([^/]+)\/([A-Za-z0-9._-]{1,249})$/.exec(text);
  const [, hosts = '', topic = ''] = match ?? [];
  const brokers = hosts.split(',');
  if (match === null || topic === '.' || topic === '..') return undefined;
  return brokers.every((broker) => portOf(broker) > 0 && portOf(broker) <= 65535) ? { brokers, topic } : undefined;
};

const portOf = (broker: string): number => Number(BROKER.exec(broker)?.[1] ?? 0);

/** @throws TendrilError `LOG_KIND_UNSUPPORTED`. */
export const requireKafkaAddress = (text: string): KafkaAddress => {
  const address = parseKafkaAddress(text);
  if (address !== undefined) return address;
  throw new TendrilError('LOG_KIND_UNSUPPORTED', `"${text}" does not name brokers and a topic`, {
    remedy: 'write kafka://HOST:PORT,HOST:PORT/TOPIC, for example kafka://127.0.0.1:9092/mesh',
  });
};
