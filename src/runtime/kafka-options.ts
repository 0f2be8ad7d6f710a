/** Options of `serve` that say how the brokers of `--log kafka://…` are spoken to. */
import { readFileSync } from 'node:fs';
import type { KafkaSettings } from '../log/index.ts';
import { SASL_MECHANISMS, type SaslMechanism, TendrilError } from '../model/basics.ts';

/** As configured: certificates and the password are files, never values. */
export interface KafkaOptions {
  readonly tls: boolean;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly sasl?: SaslMechanism;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly whenAway: 'wait' | 'refuse';
}

export const KAFKA_OPTION_SPECS = [
  { flag: 'log-away', type: 'string', value: 'wait|refuse', help: 'writes while Kafka is away (default wait)' },
  { flag: 'kafka-tls', type: 'boolean', value: '', help: 'TLS to the brokers' },
  { flag: 'kafka-ca', type: 'string', value: 'FILE', help: 'whom to trust, PEM (default: the public authorities)' },
  { flag: 'kafka-cert', type: 'string', value: 'FILE', help: 'certificate of this client, PEM' },
  { flag: 'kafka-key', type: 'string', value: 'FILE', help: 'its private key, PEM' },
  { flag: 'kafka-sasl', type: 'string', value: 'MECHANISM', help: SASL_MECHANISMS.join('|') },
  { flag: 'kafka-user', type: 'string', value: 'NAME', help: 'user for SASL' },
  { flag: 'kafka-password-file', type: 'string', value: 'FILE', help: 'file that holds the password' },
] as const;

interface Values {
  text(flag: string): string;
  flagged(flag: string): boolean;
  problem(flag: string, value: string, allowed: string): void;
}

/** Undefined when the log is not on Kafka; then none of the options may be set. */
export const kafkaOptionsOf = (isKafka: boolean, { text, flagged, problem }: Values): KafkaOptions | undefined => {
  const tls = flagged('kafka-tls');
  const given = (flag: string): string | undefined => text(flag) || undefined;
  if (!isKafka) {
    for (const { flag } of KAFKA_OPTION_SPECS)
      if (given(flag) !== undefined && given(flag) !== 'false')
        problem(flag, text(flag), 'nothing, unless --log is kafka://…');
    return undefined;
  }
  const away = given('log-away') ?? 'wait';
  if (away !== 'wait' && away !== 'refuse') problem('log-away', away, 'wait, refuse');
  const sasl = given('kafka-sasl');
  const mechanism = SASL_MECHANISMS.find((name) => name === sasl);
  if (sasl !== undefined && mechanism === undefined) problem('kafka-sasl', sasl, SASL_MECHANISMS.join(', '));
  const [user, passwordFile] = [given('kafka-user'), given('kafka-password-file')];
  if (sasl !== undefined && user === undefined) problem('kafka-user', '', 'a name, since --kafka-sasl is set');
  if (sasl !== undefined && passwordFile === undefined)
    problem('kafka-password-file', '', 'a file, since --kafka-sasl is set');
  const [caFile, certFile, keyFile] = [given('kafka-ca'), given('kafka-cert'), given('kafka-key')];
  if (!tls && [caFile, certFile, keyFile].some((file) => file !== undefined))
    problem('kafka-tls', 'false', 'true, since certificates are named');
  if ((certFile === undefined) !== (keyFile === undefined))
    problem('kafka-key', keyFile ?? '', '--kafka-cert and --kafka-key together');
  return {
    tls,
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
    ...(mechanism === undefined ? {} : { sasl: mechanism }),
    ...(user === undefined ? {} : { user }),
    ...(passwordFile === undefined ? {} : { passwordFile }),
    whenAway: away === 'refuse' ? 'refuse' : 'wait',
  };
};

const contentOf = (flag: string, file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new TendrilError('CONFIG_INVALID', `--${flag}: ${file} cannot be read`, {
      remedy: 'name a file that this user may read',
      cause: error,
    });
  }
};

/** Reads the files. Throws `CONFIG_INVALID`. */
export const readKafkaSettings = (options: KafkaOptions): KafkaSettings => {
  const { tls, caFile, certFile, keyFile, sasl, user = '', passwordFile = '', whenAway } = options;
  const pem = (name: 'ca' | 'cert' | 'key', file: string | undefined): Partial<Record<typeof name, string>> =>
    file === undefined ? {} : { [name]: contentOf(`kafka-${name}`, file) };
  return {
    whenAway,
    ...(tls ? { tls: { ...pem('ca', caFile), ...pem('cert', certFile), ...pem('key', keyFile) } } : {}),
    ...(sasl === undefined
      ? {}
      : {
          sasl: {
            mechanism: sasl,
            username: user,
            // Editors end files with a line break.
            password: contentOf('kafka-password-file', passwordFile).replace(/\r?\n$/, ''),
          },
        }),
  };
};
