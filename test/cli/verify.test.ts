/** `tendril verify`: exit 0 only if chain, checksums and replay hash hold (contracts, "Process"). */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { here } from './support/here.ts';
import { assertRefused, cleanUp, type Ended, serve, temporaryFolder, tendril } from './support/tendril.ts';

const data = join(temporaryFolder(), 'data');
const verify = (...args: string[]): Promise<Ended> => here(['verify', ...args], { server: '' });
let hash = '';
let offset = 0;

before(async () => {
  const server = await serve(['--workers', '0', '--data', data, '--mesh', 'shop']);
  const document = (timeout: number): string =>
    `{apiVersion: tendril.dev/v1, kind: Route, metadata: {name: reviews, namespace: shop}, spec: {timeout: ${timeout}s}}`;
  for (const timeout of [1, 2, 3]) {
    const { code, err } = await here(['apply', '-f', '-'], { server: server.api, input: document(timeout) });
    assert.equal(code, 0, err);
  }
  const proof = (await (await fetch(`${server.api}/v1/state/hash`)).json()) as { offset: number; hash: string };
  ({ offset, hash } = proof);
  const { code, out, err } = await verify('--data', data, '--mesh', 'shop');
  assertRefused({ code, out, err, signal: null }, 'LOG_LOCKED', String(server.pid), `kill ${server.pid}`);
  await server.stop();
});
after(cleanUp);

describe('verify', { concurrency: false }, () => {
  test('good data: exit 0, and the state hash that the server had', async () => {
    const text = await verify('--data', data, '--mesh', 'shop');
    assert.equal(text.code, 0, text.err);
    assert.match(text.out, new RegExp(`: ok\\. ${offset} events, .* state hash ${hash} `));
    const report = JSON.parse((await verify('--data', data, '--mesh', 'shop', '-o', 'json')).out) as {
      ok: boolean;
      hash: string;
      offset: number;
    };
    assert.deepEqual([report.ok, report.hash, report.offset], [true, hash, offset]);
    // By variables, as a process, from elsewhere.
    const { code, out } = await tendril(['verify', '-o', 'name'], {
      env: { TENDRIL_DATA: data, TENDRIL_MESH: 'shop' },
    });
    assert.deepEqual([code, out], [0, `${hash}\n`]);
  });

  test('another mesh, and no data at all', async () => {
    assertRefused(await verify('--data', data), 'MESH_MISMATCH', '"shop"', '--mesh shop');
    assertRefused(await verify('--data', join(data, 'nothing')), 'DATA_MISSING', '--data');
  });

  test('changed bytes in events, or in the state, is found: exit 1 and the part', async () => {
    for (const part of ['log', 'state']) {
      const copy = join(temporaryFolder(), 'copy');
      cpSync(data, copy, { recursive: true, verbatimSymlinks: true });
      const file = join(copy, part, 'data.mdb');
      const bytes = readFileSync(file);
      let changed = 0; // all of them: LMDB leaves old copies on pages it has given up
      for (let at = bytes.indexOf('timeout'); at >= 0; at = bytes.indexOf('timeout', at + 1), changed++)
        bytes[at] = 'T'.charCodeAt(0);
      assert.ok(changed > 0, `no document in ${part}`);
      writeFileSync(file, bytes);
      const { code, out, err } = await verify('--data', copy, '--mesh', 'shop');
      assert.equal(code, 1, `a changed byte in ${part}: ${out}${err}`);
      assert.match(out + err, new RegExp(`${part}`), `${part}: ${out}${err}`);
    }
  });
});
