/** TLS and SASL against a real broker whose listener asks for both: SCRAM, and a certificate of the client. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type KafkaSettings, type OpenedLog, openEventLog } from '../../src/log/index.ts';
import type { TendrilError } from '../../src/model/index.ts';
import { collect, MESH, sampleEvents } from '../contracts/event-log.ts';
import { type Broker, startKafka } from '../support/kafka.ts';
import { requirePart } from '../support/parts.ts';

const skip = requirePart('kafka');
const home = mkdtempSync(join(tmpdir(), 'tendril-secure-'));
const PASSWORD = 'not-for-the-log';
const STORE_PASSWORD = 'changeit';
let broker: Broker;
let topics = 0;

const path = (name: string): string => join(home, name);
const read = (name: string): string => readFileSync(path(name), 'utf8');
const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });

/** A certificate of `name`, signed by the authority `by`; with itself as `by` an authority. */
const certify = (name: string, by: string): void => {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', path(`${name}.key`)];
  const subject = ['-subj', `/CN=${name}`, '-days', '2'];
  if (name === by) {
    openssl('req', '-x509', ...key, ...subject, '-out', path(`${name}.pem`));
    return;
  }
  openssl('req', ...key, '-subj', `/CN=${name}`, '-out', path(`${name}.csr`));
  writeFileSync(path('san'), 'subjectAltName=IP:127.0.0.1');
  const signer = ['-CA', path(`${by}.pem`), '-CAkey', path(`${by}.key`), '-CAcreateserial', '-days', '2'];
  openssl('x509', '-req', '-in', path(`${name}.csr`), ...signer, '-extfile', path('san'), '-out', path(`${name}.pem`));
};

before(async () => {
  if (skip !== false) return;
  certify('authority', 'authority');
  certify('stranger', 'stranger');
  certify('broker', 'authority');
  certify('client', 'authority');
  const pair = ['-inkey', path('broker.key'), '-in', path('broker.pem'), '-certfile', path('authority.pem')];
  openssl('pkcs12', '-export', ...pair, '-out', path('key.p12'), '-passout', `pass:${STORE_PASSWORD}`);
  const store = ['-keystore', path('trust.p12'), '-storetype', 'PKCS12', '-storepass', STORE_PASSWORD];
  execFileSync('keytool', ['-importcert', '-noprompt', '-alias', 'ca', '-file', path('authority.pem'), ...store], {
    stdio: 'pipe',
  });
  broker = await startKafka({
    secure: {
      keyStore: path('key.p12'),
      trustStore: path('trust.p12'),
      password: STORE_PASSWORD,
      mechanism: 'SCRAM-SHA-512',
      user: { name: 'tendril', password: PASSWORD },
      clientAuth: 'required',
    },
  });
});
after(async () => {
  for (const log of logs) await log.close();
  if (skip === false) await broker.end();
  rmSync(home, { recursive: true, force: true });
});

const good = (): KafkaSettings => ({
  tls: { ca: read('authority.pem'), cert: read('client.pem'), key: read('client.key') },
  sasl: { mechanism: 'scram-sha-512', username: 'tendril', password: PASSWORD },
});

const logs: OpenedLog[] = [];
const open = async (kafka: KafkaSettings, lines: string[] = []): Promise<OpenedLog> => {
  const line = (fields: object, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log = await openEventLog({
    kind: `kafka://127.0.0.1:${broker.securePort}/secure-${++topics}`,
    dir: mkdtempSync(join(home, 'data-')),
    mesh: MESH,
    clock: { now: Date.now },
    kafka,
    logger: { info: line, warn: line, error: line },
  });
  logs.push(log);
  return log;
};

describe('TLS and SASL', { skip, concurrency: false }, () => {
  test('with authority, certificate and password: the log works', async () => {
    const log = await open(good());
    await log.append(sampleEvents(1, 3));
    assert.equal((await collect(log.read({ from: 1 }))).length, 3);
    await log.close();
  });

  test('a wrong password, another authority, no certificate, no TLS: refused with the reason, and the password is in no line', async () => {
    const { tls = {}, sasl } = good();
    const wrong = { mechanism: 'scram-sha-512', username: 'tendril', password: `${PASSWORD}-wrong` } as const;
    const cases: readonly [KafkaSettings, RegExp][] = [
      [{ tls, sasl: wrong }, /authentication/i],
      [{ ...good(), tls: { ...tls, ca: read('stranger.pem') } }, /certificate|verify/i],
      [{ ...good(), tls: { ca: read('authority.pem') } }, /certificate|alert|closed|disconnected/i],
      [sasl === undefined ? {} : { sasl }, /./],
    ];
    for (const [settings, reason] of cases) {
      const lines: string[] = [];
      await assert.rejects(open(settings, lines), (error: TendrilError) => {
        assert.equal(error.code, 'LOG_AWAY');
        assert.match(error.message, reason);
        assert.ok(![error.message, ...lines].some((line) => line.includes(PASSWORD)), lines.join('\n'));
        return true;
      });
    }
  });
});
