/** `--xds-limits`: how bounds are written, and that docs/limits.md says what they are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createAdsServer, DEFAULT_SERVER_LIMITS, LIMIT_RANGES, type ServerLimits } from '../../src/delta-xds/index.ts';
import { TendrilError } from '../../src/model/index.ts';
import { resolveConfig } from '../../src/runtime/index.ts';
import { limitFlag, parseXdsLimits } from '../../src/runtime/xds-limits.ts';
import { MemoryMesh } from '../delta-xds/support/memory-mesh.ts';
import { repositoryRoot } from '../support/root.ts';

test('flag, variable, and file, as a map or a list; none: the defaults', () => {
  const text = 'names-per-request=20000, idle-ms=60000';
  const limits = { namesPerRequest: 20_000, idleMs: 60_000 };
  assert.deepEqual(resolveConfig({ flags: { 'xds-limits': text }, env: {} }).xdsLimits, limits);
  assert.deepEqual(resolveConfig({ flags: {}, env: { TENDRIL_XDS_LIMITS: text } }).xdsLimits, limits);
  const map = { 'xds-limits': { 'names-per-request': 20_000, 'idle-ms': 60_000 } };
  assert.deepEqual(resolveConfig({ flags: {}, env: {}, file: map }).xdsLimits, limits);
  const list = { 'xds-limits': ['names-per-request=20000', 'idle-ms=60000'] };
  assert.deepEqual(resolveConfig({ flags: {}, env: {}, file: list }).xdsLimits, limits);
  assert.deepEqual(resolveConfig({ flags: {}, env: {} }).xdsLimits, {});
});

test('what cannot be a bound is named with what is allowed, all of it at once', () => {
  const file = { 'xds-limits': { 'names-per-day': 5, 'idle-ms': 'long', 'name-bytes': 1, generations: 0 } };
  assert.throws(
    () => resolveConfig({ flags: { 'xds-transport': 'quic' }, env: {}, file }),
    (error) => {
      assert.ok(error instanceof TendrilError);
      assert.equal(error.code, 'CONFIG_INVALID');
      const messages = error.findings.map(({ message }) => message);
      assert.equal(messages.length, 5);
      assert.ok(messages[0]?.includes('--xds-transport is "quic"; allowed: http2, grpc-js'));
      assert.ok(messages[1]?.includes('"names-per-day=5"; allowed: names-per-stream, '));
      assert.ok(messages[2]?.includes('"idle-ms=long"; allowed: NAME=NUMBER'));
      assert.ok(messages[3]?.includes('"name-bytes=1"; allowed: name-bytes from 16 to 65536'));
      assert.ok(messages[4]?.includes('"generations=0"; allowed: generations from 1 to 1000'));
      return true;
    },
  );
  assert.deepEqual(parseXdsLimits('generations=2,generations=3').problems, [
    { value: 'generations=3', allowed: 'generations once' },
  ]);
});

test('every default is within its range', () => {
  for (const [name, [least, most]] of Object.entries(LIMIT_RANGES)) {
    const value = DEFAULT_SERVER_LIMITS[name as keyof ServerLimits];
    assert.ok(value >= least && value <= most, name);
  }
});

test('docs/limits.md has every bound with its default and a counter that exists', async () => {
  const text = readFileSync(join(repositoryRoot, 'docs/limits.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `([a-z-]+)` \| ([0-9]+) \| .* \| (.*) \|$/gm)];
  const documented = rows.map(([, name, value]) => [name, Number(value)]);
  const actual = Object.entries(DEFAULT_SERVER_LIMITS).map(([name, value]) => [limitFlag(name), value]);
  assert.deepEqual(documented.sort(), actual.sort());
  const server = createAdsServer({
    source: new MemoryMesh(),
    clock: () => 0,
    now: () => 0,
    random: () => 0,
    logger: { info: () => undefined, warn: () => undefined },
    identifier: 'x',
  });
  const counters = new Set(Object.keys(server.counters()).map((name) => limitFlag(name).replaceAll('-', '_')));
  await server.close();
  for (const [, name, , last = ''] of rows)
    for (const [, counter = ''] of last.matchAll(/`([a-z_]+)`/g))
      assert.ok(counters.has(counter), `${name}: ${counter}`);
});
