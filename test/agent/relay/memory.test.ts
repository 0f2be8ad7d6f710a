/** The bound of memory of a relay, for all its nodes together. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startRelay } from '../../../src/agent/index.ts';
import { InFlight } from '../../../src/agent/relay/in-flight.ts';
import { LastGood } from '../../../src/agent/relay/last-good.ts';
import { MemoryBudget } from '../../../src/agent/relay/memory-budget.ts';
import { readResource } from '../../../src/agent/relay/wire.ts';
import { CDS, composeDeltaResponse, encodeResource } from '../../../src/proto/index.ts';
import { RawClient } from '../../delta-xds/support/raw-client.ts';
import { controlPlane, eventually, kept } from './scripted-control-plane.ts';

const bytesOf = (name: string, length = 1_000) =>
  encodeResource({ name, version: '1', typeUrl: CDS, body: Buffer.alloc(length) });
const resource = (name: string, length?: number) => readResource(bytesOf(name, length));

test('what is taken is given back; without room it is not kept, and one that was there is what Envoy held no longer', () => {
  const budget = new MemoryBudget(3_000);
  const node = new LastGood('n', { budget });
  for (const name of ['a', 'b']) node.keep(CDS, resource(name));
  assert.equal(budget.used, node.bytes);
  node.keep(CDS, resource('a', 5_000));
  assert.deepEqual([node.get(CDS, 'a'), node.notKept, budget.refused], [undefined, 1, 1]);
  node.keep(CDS, resource('a', 900));
  node.drop(CDS, 'b');
  assert.equal(budget.used, node.bytes);

  const flight = new InFlight(budget);
  const response = (nonce: string, stream = 1) => ({ nonce, stream, resources: [resource('c')] });
  for (const nonce of ['1', '2', '3']) flight.add(response(nonce));
  flight.add(response('here', 0));
  assert.ok(budget.used <= budget.maxBytes);
  assert.equal(flight.settle('1')?.resources[0]?.raw.length, resource('c').raw.length);
  const [bare] = flight.settle('3')?.resources ?? [];
  assert.deepEqual([bare?.name, bare?.raw.length], ['c', 0], 'its name is remembered');
  assert.ok(
    bare !== undefined && flight.settle('here')?.resources[0]?.raw.length !== 0,
    'one made here is kept anyway',
  );
  node.keep(CDS, bare);
  assert.deepEqual([node.get(CDS, 'c'), node.notKept], [undefined, 2]);
  flight.clear();
  assert.equal(budget.used, node.bytes);
  node.release();
  assert.equal(budget.used, 0);
});

test('a node without an Envoy makes room, and comes back from disk; then what is new is not kept, and served all the same', async () => {
  const cacheDir = mkdtempSync(join(tmpdir(), 'tendril-relay-'));
  kept({ close: () => rmSync(cacheDir, { recursive: true, force: true }) });
  const server = await controlPlane((call) =>
    call.once('data', () => {
      const parts = { typeUrl: CDS, nonce: '1', resources: [bytesOf('cluster')], removed: [] };
      call.write(Buffer.from(composeDeltaResponse(parts)));
    }),
  );
  const upstreams = [{ host: '127.0.0.1', port: server.port }];
  const listen = { host: '127.0.0.1', port: 0 };
  const given = { listen, upstreams, mesh: 'default', cacheDir, backoff: { baseMs: 5, maxMs: 5 } };
  const relay = kept(await startRelay({ ...given, maxBytes: 2_500 }));
  const memory = () => relay.status().memory;
  const rows = () => relay.status().lastGood.map(({ node, resources, notKept }) => [node, resources, notKept]);
  const comes = async (service: string): Promise<RawClient> => {
    const envoy = kept(new RawClient(relay.address.port));
    envoy.hello(`${service}.shop`);
    await envoy.response(0);
    envoy.send({ typeUrl: CDS, responseNonce: '1' });
    const id = `sidecar~1~${service}.shop`;
    await eventually(`${id} has acknowledged`, () =>
      rows().some(([node, resources, notKept]) => node === id && Number(resources) + Number(notKept) > 0),
    );
    return envoy;
  };
  const leaves = async (envoy: RawClient): Promise<void> => {
    const { length } = relay.status().envoys;
    envoy.close();
    await eventually('it has left', () => relay.status().envoys.length < length);
  };
  for (const service of ['a', 'b']) await leaves(await comes(service));
  const c = await comes('c');
  assert.deepEqual(rows(), [
    ['sidecar~1~b.shop', 1, 0],
    ['sidecar~1~c.shop', 1, 0],
  ]);
  await comes('d');
  await comes('e');
  assert.deepEqual(rows(), [
    ['sidecar~1~c.shop', 1, 0],
    ['sidecar~1~d.shop', 1, 0],
    ['sidecar~1~e.shop', 0, 1],
  ]);
  const { bytes, maxBytes, refused, released } = memory();
  assert.deepEqual([bytes <= maxBytes, bytes > 2_000, refused, released], [true, true, 1, 2]);

  server.close();
  await eventually('alone', () => relay.status().envoys.every(({ state }) => state === 'away'));
  await leaves(c);
  const a = kept(new RawClient(relay.address.port));
  a.hello('a.shop');
  assert.deepEqual(
    (await a.response(0)).resources.map(({ name }) => name),
    ['cluster'],
  );
  assert.equal(memory().released, 3);
});
