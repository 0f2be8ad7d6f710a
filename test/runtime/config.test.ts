import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TendrilError } from '../../src/model/index.ts';
import { resolveConfig } from '../../src/runtime/index.ts';

const failing = (sources: Parameters<typeof resolveConfig>[0]): TendrilError => {
  try {
    resolveConfig(sources);
  } catch (error) {
    if (error instanceof TendrilError) return error;
    throw error;
  }
  return assert.fail('the configuration was accepted');
};

test('defaults are those of the contract', () => {
  const config = resolveConfig({ flags: {}, env: {} });
  assert.deepEqual(config.xds, { host: '127.0.0.1', port: 18000 });
  assert.deepEqual(config.admin, { host: '127.0.0.1', port: 18001 });
  assert.equal(config.data, './tendril-data');
  assert.equal(config.log, 'lmdb');
  assert.equal(config.workers, 1);
  assert.equal(config.mesh, 'default');
  assert.deepEqual(config.suffixes, ['.mesh.local', '.svc.cluster.local']);
});

test('flags win over variables, variables over the file', () => {
  const file = { mesh: 'file', workers: 3, data: '/file' };
  const env = { TENDRIL_MESH: 'env', TENDRIL_DATA: '/env', TENDRIL_MESH_SUFFIXES: '.corp' };
  const config = resolveConfig({ flags: { mesh: 'flag' }, env, file });
  assert.equal(config.mesh, 'flag');
  assert.equal(config.data, '/env');
  assert.equal(config.workers, 3);
  assert.deepEqual(config.suffixes, ['.corp']);
});

test('every problem is named with the value and what is allowed', () => {
  const error = failing({
    flags: { workers: 'many', xds: 'nowhere', mesh: 'Not A Label', 'log-level': 'loud' },
    env: {},
    file: { tracing: true },
  });
  assert.equal(error.code, 'CONFIG_INVALID');
  const messages = error.findings.map((finding) => finding.message);
  assert.equal(messages.length, 5);
  assert.ok(messages.some((message) => message.includes('"many"') && message.includes('0 to 64')));
  assert.ok(messages.some((message) => message.includes('unknown key "tracing"')));
});

test('an address that is not loopback is refused, unless the risk is accepted', () => {
  assert.equal(failing({ flags: { admin: '0.0.0.0:18001' }, env: {} }).code, 'BIND_REFUSED');
  assert.equal(
    resolveConfig({ flags: { admin: '0.0.0.0:18001', 'insecure-bind': true }, env: {} }).admin.host,
    '0.0.0.0',
  );
  assert.equal(resolveConfig({ flags: { xds: '[::1]:1' }, env: {} }).xds.host, '::1');
});

test('a log on Kafka: brokers and topic, TLS and SASL by files', () => {
  const flags = {
    log: 'kafka://127.0.0.1:9092,[::1]:9093/mesh',
    'kafka-tls': true,
    'kafka-ca': '/etc/ca.pem',
    'kafka-sasl': 'scram-sha-512',
    'kafka-user': 'tendril',
    'log-away': 'refuse',
  };
  const env = { TENDRIL_KAFKA_PASSWORD_FILE: '/run/password' };
  assert.deepEqual(resolveConfig({ flags, env }).kafka, {
    tls: true,
    caFile: '/etc/ca.pem',
    sasl: 'scram-sha-512',
    user: 'tendril',
    passwordFile: '/run/password',
    whenAway: 'refuse',
  });
  assert.equal(resolveConfig({ flags: {}, env: {} }).kafka, undefined);
});

test('a log on Kafka: every bad setting is named', () => {
  const kafka = 'kafka://127.0.0.1:9092/mesh';
  const bad: readonly [Record<string, string | boolean>, string][] = [
    [{ log: 'kafka://127.0.0.1/mesh' }, '--log'],
    [{ log: 'kafka://127.0.0.1:9092' }, '--log'],
    [{ log: 'kafka://127.0.0.1:9092/a/b' }, '--log'],
    [{ log: 'kafka://127.0.0.1:99999/mesh' }, '--log'],
    [{ log: kafka, 'log-away': 'drop' }, '--log-away'],
    [{ log: kafka, 'kafka-sasl': 'gssapi', 'kafka-user': 'a', 'kafka-password-file': 'p' }, '--kafka-sasl'],
    [{ log: kafka, 'kafka-sasl': 'plain', 'kafka-password-file': 'p' }, '--kafka-user'],
    [{ log: kafka, 'kafka-sasl': 'plain', 'kafka-user': 'a' }, '--kafka-password-file'],
    [{ log: kafka, 'kafka-ca': 'ca.pem' }, '--kafka-tls'],
    [{ log: kafka, 'kafka-tls': true, 'kafka-cert': 'c.pem' }, '--kafka-key'],
    [{ log: 'lmdb', 'kafka-user': 'a' }, '--kafka-user'],
    [{ log: 'lmdb', 'log-away': 'refuse' }, '--log-away'],
  ];
  for (const [flags, named] of bad) {
    const { code, message } = failing({ flags, env: {} });
    assert.equal(code, 'CONFIG_INVALID');
    assert.ok(message.includes(`${named} `), `${message} names ${named}`);
  }
});
