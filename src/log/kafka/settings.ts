/** How the brokers of a log are spoken to. */
import { type KafkaAddress, parseKafkaAddress, type SaslMechanism, TendrilError } from '../../model/index.ts';

export interface KafkaSettings {
  /** Certificates as PEM text; undefined: no TLS. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly sasl?: { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string };
  /** What an append does while no broker answers (default `wait`). */
  readonly whenAway?: 'wait' | 'refuse';
}

/** @throws TendrilError `LOG_KIND_UNSUPPORTED`. */
export const requireKafkaAddress = (text: string): KafkaAddress => {
  const address = parseKafkaAddress(text);
  if (address !== undefined) return address;
  throw new TendrilError('LOG_KIND_UNSUPPORTED', `"${text}" does not name brokers and a topic`, {
    remedy: 'write kafka://HOST:PORT,HOST:PORT/TOPIC, for example kafka://127.0.0.1:9092/mesh',
  });
};
