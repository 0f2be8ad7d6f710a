/** The relay over real sockets: its cache on disk, control planes that hang, side streams, several Envoys of one node. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { type Relay, type RelayOptions, startRelay } from '../../../src/agent/index.ts';
import { LastGood } from '../../../src/agent/relay/last-good.ts';
import { ResourceStore } from '../../../src/agent/relay/resource-store.ts';
import { readResource } from '../../../src/agent/relay/wire.ts';
import { encodeResource, GRPC_PATHS, SDS } from '../../../src/proto/index.ts';
import { connectSidecar, type SidecarClient } from '../../../src/sidecar-client/index.ts';
import { openEnvironment } from '../../../src/store/index.ts';
import {
  assignmentBody,
  clusterBody,
  listenerBody,
  MemoryMesh,
  virtualHostBody,
} from '../../delta-xds/support/memory-mesh.ts';
import { serveMesh } from '../../delta-xds/support/serve-mesh.ts';
import { freePort, portOf } from '../../support/ports.ts';

const open: { close(): unknown }[] = [];
after(async () => {
  for (const one of open.reverse()) await one.close();
});
const kept = <T extends { close(): unknown }>(one: T): T => {
  open.push(one);
  return one;
};

const NODE = 'sidecar~1~app.shop';
const loopback = (port: number) => ({ host: '127.0.0.1', port });
const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'tendril-relay-'));
  kept({ close: () => rmSync(path, { recursive: true, force: true }) });
  return path;
};

const service = (mesh: MemoryMesh, name: string, version: string): void => {
  mesh.set('cds', name, clusterBody(name, `c-${version}`, true));
  mesh.set('eds', name, assignmentBody(name, `e-${version}`, [1]));
  mesh.set('vhds', name, virtualHostBody(`h-${version}`, [name.slice(0, name.indexOf(':')), name], [name]));
};

const controlPlane = async (port = 0, accessLogs?: (message: Uint8Array) => void) => {
  const mesh = new MemoryMesh();
  mesh.listeners.set('outbound', listenerBody('outbound', 'l-1'));
  for (const name of ['a.shop:80', 'b.shop:80']) service(mesh, name, '1');
  const served = await serveMesh(mesh, port, {
    ...(accessLogs === undefined
      ? {}
      : {
          sideRoutes: new Map([
            [
              GRPC_PATHS.accessLogs,
              () => ({ onMessage: accessLogs, onHalfClose: () => undefined, onClose: () => undefined }),
            ],
          ]),
        }),
  });
  return { mesh, ...served };
};

const envoy = (relay: Relay): SidecarClient =>
  kept(
    connectSidecar({
      addresses: [relay.address],
      node: { id: NODE, cluster: 'app.shop' },
      listeners: true,
      backoff: { baseMs: 10, maxMs: 50 },
    }),
  );

const relayTo = async (ports: readonly number[], cacheDir?: string, more: Partial<RelayOptions> = {}): Promise<Relay> =>
  kept(
    await startRelay({
      listen: loopback(0),
      upstreams: ports.map(loopback),
      mesh: 'default',
      backoff: { baseMs: 10, maxMs: 50 },
      ...(cacheDir === undefined ? {} : { cacheDir }),
      ...more,
    }),
  );

const until = async (what: string, check: () => boolean): Promise<void> => {
  for (const end = Date.now() + 60_000; !check(); await new Promise((next) => setTimeout(next, 10)))
    if (Date.now() > end) assert.fail(`not within 60 s: ${what}`);
};

/** A cache in which the node holds `a.shop:80`. */
const filled = async (cacheDir: string): Promise<void> => {
  const { server, port } = await controlPlane();
  const relay = await relayTo([port], cacheDir);
  const client = envoy(relay);
  assert.equal(await client.hold('a.shop:80'), true);
  await until('it is last good', () => relay.status().lastGood[0]?.resources === 5);
  await client.close();
  await relay.close();
  await server.close();
};

test('the copy on disk is private, and serves a relay that starts anew beside a control plane that hangs', async () => {
  const cacheDir = folder();
  await filled(cacheDir);
  assert.equal(statSync(join(cacheDir, 'relay')).mode & 0o777, 0o700);
  const files = readdirSync(join(cacheDir, 'relay')).filter((name) => name.endsWith('.mdb'));
  assert.ok(files.length > 0);
  for (const file of files) assert.equal(statSync(join(cacheDir, 'relay', file)).mode & 0o077, 0, file);
  const sockets = new Set<Socket>();
  const hanging = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
  await new Promise<void>((done) => hanging.listen(0, '127.0.0.1', done));
  kept({
    close: () => {
      hanging.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  const relay = await relayTo([portOf(hanging)], cacheDir);
  const client = envoy(relay);
  await until('the virtual host is there', () => client.versions('vhds').get('outbound/a.shop:80') === 'h-1');
  assert.deepEqual([...client.versions('eds')], [['a.shop:80', 'e-1']]);
  assert.equal(relay.status().envoys[0]?.relayed, 0);
  await client.close();
  const next = envoy(relay);
  await until('and to the next Envoy', () => next.versions('vhds').get('outbound/a.shop:80') === 'h-1');
  assert.equal(sockets.size, 1, 'attempts do not pile up connections');
});

test('two Envoys of one node are both served; a change reaches both; what one gives up the other keeps', async () => {
  const { mesh, server, port } = await controlPlane();
  const relay = await relayTo([port]);
  const [one, other] = [envoy(relay), envoy(relay)];
  assert.deepEqual(await Promise.all([one.hold('a.shop:80'), other.hold('a.shop:80')]), [true, true]);
  service(mesh, 'a.shop:80', '2');
  mesh.changed('svc|a.shop');
  await server.wake();
  for (const client of [one, other])
    await until('the change', () => client.versions('vhds').get('outbound/a.shop:80') === 'h-2');
  await server.close();
  await until('both are alone', () => relay.status().envoys.every(({ state }) => state === 'away'));
  const third = envoy(relay);
  await until('and a third', () => third.versions('vhds').get('outbound/a.shop:80') === 'h-2');
  const again = await controlPlane(port);
  service(again.mesh, 'a.shop:80', '2');
  kept(again.server);
  await until('all are back', () => relay.status().envoys.every(({ state }) => state === 'up'));
  assert.equal(await third.hold('b.shop:80'), true);
});

test('a damaged cache is thrown away and named, one of another mesh or in use is left alone and named', async () => {
  const cacheDir = folder();
  await filled(cacheDir);
  const other = await startRelay({ listen: loopback(0), upstreams: [loopback(1)], mesh: 'other', cacheDir });
  assert.equal(other.status().cache.problem?.code, 'CACHE_FOREIGN');
  await other.close();
  const user = await relayTo([1], cacheDir);
  assert.equal(user.status().cache.problem, undefined);
  const second = await relayTo([1], cacheDir);
  assert.equal(second.status().cache.problem?.code, 'CACHE_IN_USE');
  assert.equal(second.status().cache.path, undefined);
  await user.close();
  const file = openSync(join(cacheDir, 'relay', 'data.mdb'), 'r+');
  writeSync(file, Buffer.alloc(8192, 0x5a), 0, 8192, 0);
  closeSync(file);
  const relay = await relayTo([1], cacheDir);
  assert.match(relay.status().cache.emptied ?? '', /damaged/);
  await relay.close();
  await filled(cacheDir);
});

test('a cache folder that is unreadable or foreign is said once, with code and remedy, and left as it is; the relay serves', async () => {
  const cacheDir = folder();
  chmodSync(cacheDir, 0o755);
  const schema = { name: 'another-program', version: 1 };
  await (await openEnvironment({ dir: join(cacheDir, 'foreign'), name: 'relay', mesh: 'default', schema })).close();
  writeFileSync(join(cacheDir, 'file'), 'mine');
  const { server, port } = await controlPlane();
  kept(server);
  const said: string[] = [];
  const warn = (fields: object, text: string): void => {
    said.push(`${(fields as { code?: string }).code}: ${text}`);
  };
  const log = { info: () => undefined, warn, error: () => undefined };
  // The last one: a file system that takes no new names (Node's own mkdir goes round for ever there).
  for (const name of ['foreign', 'file', ...(process.platform === 'linux' ? ['/proc/tendril'] : [])]) {
    const relay = await relayTo([port], resolve(cacheDir, name), { log });
    const client = envoy(relay);
    assert.equal(await client.hold('a.shop:80'), true);
    await client.close();
    await relay.close();
  }
  const expected = [
    /^CACHE_FOREIGN: .*foreign.relay holds another-program, .*in memory only \(give every client and agent/,
    /^CACHE_UNUSABLE: .*file cannot be used .*in memory only \(make the folder readable/,
    /^CACHE_UNUSABLE: .proc.tendril cannot be used .*in memory only/,
  ];
  const problems = said.filter((line) => line.includes('in memory only'));
  for (const [at, line] of problems.entries()) assert.match(line, expected[at] ?? /nothing more/);
  assert.ok(problems.length >= 2);
  assert.equal(readFileSync(join(cacheDir, 'file'), 'utf8'), 'mine');
  const shared = await relayTo([port], cacheDir);
  assert.equal(shared.status().cache.problem, undefined);
  assert.equal(statSync(cacheDir).mode & 0o777, 0o755, 'a folder that was there keeps its rights');
});

test('secrets are kept in memory only; what does not fit is not kept, and counted', async () => {
  const dir = folder();
  const store = await ResourceStore.open({ dir, mesh: 'default', flushMs: 1 });
  const body = Buffer.alloc(100);
  const secret = readResource(encodeResource({ name: 'key', version: '1', typeUrl: SDS, body }));
  const plain = readResource(encodeResource({ name: 'a', version: '1', typeUrl: 'x', body }));
  const large = readResource(encodeResource({ name: 'b', version: '1', typeUrl: 'x', body: Buffer.alloc(5_000) }));
  const made = new LastGood('node', { store, maxBytes: 4_000 });
  made.keep(SDS, secret);
  made.keep('x', plain);
  made.keep('x', large);
  assert.deepEqual([made.size, made.notKept, made.find('x', 'a')?.version], [2, 1, '1']);
  await store.close();
  const again = await ResourceStore.open({ dir, mesh: 'default' });
  assert.deepEqual(
    [...again.load('node')].map(({ typeUrl }) => typeUrl),
    ['x'],
  );
  assert.deepEqual([...again.load('nod')], []);
  await again.close();
});

test('a relay says how old its last good configuration is, across its own restart; 30 days without an Envoy remove it', async () => {
  const cacheDir = folder();
  const start = Date.now();
  let now = start;
  const said: string[] = [];
  const log = { info: () => undefined, warn: (_: object, text: string) => said.push(text), error: () => undefined };
  const age = (relay: Relay) => relay.status().lastGood[0]?.ageMs;
  const { server, port } = await controlPlane();
  const first = await relayTo([port], cacheDir, { now: () => now, log });
  const client = envoy(first);
  assert.equal(await client.hold('a.shop:80'), true);
  await until('it is last good', () => first.status().lastGood[0]?.resources === 5);
  now += 3_600_000;
  assert.equal(age(first), 0, 'as long as the control plane is there');
  await server.close();
  await until('alone', () => first.status().controlPlane === undefined);
  now += 100_000;
  assert.equal(age(first), 100_000);
  await client.close();
  await first.close();

  now += 80_000;
  const second = await relayTo([1], cacheDir, { now: () => now, log });
  const next = envoy(second);
  await until('it is served', () => next.versions('vhds').get('outbound/a.shop:80') === 'h-1');
  assert.equal(age(second), 180_000);
  assert.deepEqual(
    said.filter((text) => text.includes('no control plane')),
    [`no control plane: ${NODE} is served its last good configuration of 3 min ago`],
  );
  await next.close();
  await second.close();

  const days = (count: number): number => start + 3_780_000 + count * 86_400_000;
  now = days(29);
  const third = await relayTo([1], cacheDir, { now: () => now, pruneMs: 5 });
  const other = envoy(third);
  await until('29 days later', () => other.versions('vhds').get('outbound/a.shop:80') === 'h-1');
  now = days(58);
  await until('that it was seen is on disk', () => third.status().cache.waiting === 0);
  assert.equal(third.status().cache.pruned, 0, 'an Envoy is connected');
  await other.close();
  await until('it has left', () => third.status().envoys.length === 0);
  now = days(89);
  await until('it is removed', () => third.status().cache.pruned === 1);
  await third.close();
  const store = await ResourceStore.open({ dir: cacheDir, mesh: 'default' });
  assert.deepEqual([[...store.load(NODE)].length, store.times(NODE)], [0, undefined]);
  await store.close();
});

test('access logs pass while a control plane is there, are taken and counted while none is; load reports are refused then', async () => {
  const seen: string[] = [];
  const { server, port } = await controlPlane(0, (message) => seen.push(Buffer.from(message).toString()));
  const relay = await relayTo([port]);
  await envoy(relay).start();
  const client = kept(new Client(`127.0.0.1:${relay.address.port}`, credentials.createInsecure()));
  const stream = (path: string) => {
    const bytes = (message: Buffer): Buffer => message;
    const made = client.makeBidiStreamRequest(path, bytes, bytes);
    const ended = new Promise<string>((done) => {
      made.on('error', ({ message }) => done(message));
      made.on('end', () => done('end'));
    });
    made.resume();
    return { made, ended };
  };
  const logs = stream(GRPC_PATHS.accessLogs);
  logs.made.write(Buffer.from('one'));
  await until('it has passed', () => seen.length === 1);
  await server.close();
  await until('alone', () => relay.status().controlPlane === undefined);
  logs.made.write(Buffer.from('two'));
  await until('it is dropped', () => relay.status().side.accessLogsDropped === 1);
  assert.match(await stream(GRPC_PATHS.loadStats).ended, /UNAVAILABLE/);
  const again = await controlPlane(port, (message) => seen.push(Buffer.from(message).toString()));
  kept(again.server);
  assert.equal(await logs.ended, 'end', 'the stream that drops is ended: Envoy begins another one');
  stream(GRPC_PATHS.accessLogs).made.write(Buffer.from('three'));
  await until('it passes again', () => seen.length === 2);
  assert.deepEqual(seen, ['one', 'three']);
});

test('impossible options are refused', async () => {
  const mesh = 'default';
  await assert.rejects(startRelay({ listen: loopback(0), upstreams: [], mesh }), { code: 'USAGE' });
  const everywhere = { host: '0.0.0.0', port: 0 };
  await assert.rejects(startRelay({ listen: everywhere, upstreams: [loopback(1)], mesh }), { code: 'USAGE' });
  const taken = createServer();
  const port = await freePort();
  await new Promise<void>((done) => taken.listen(port, '127.0.0.1', done));
  kept(taken);
  await assert.rejects(startRelay({ listen: loopback(port), upstreams: [loopback(1)], mesh }), {
    code: 'RELAY_LISTEN',
  });
});

test('access logs flow again after their stream alone broke', async () => {
  const same = (bytes: Buffer): Buffer => bytes;
  const method = (path: string) => ({
    ...{ path, requestStream: true as const, responseStream: true as const },
    ...{ requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same },
  });
  const server = new Server();
  let broken = 0;
  server.addService(
    { ads: method(GRPC_PATHS.delta), logs: method(GRPC_PATHS.accessLogs) },
    {
      ads: (call: { on(event: string, then: () => void): void }) => {
        for (const event of ['data', 'error']) call.on(event, () => undefined);
      },
      logs: (call: { on(event: string, then: () => void): void; emit(event: string, error: object): void }) => {
        call.on('error', () => undefined);
        call.on('data', () => {
          broken++;
          call.emit('error', { code: 14, details: 'a worker restarts' });
        });
      },
    },
  );
  const port = await new Promise<number>((done, fail) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? done(bound) : fail(error),
    ),
  );
  kept({ close: () => server.forceShutdown() });
  const relay = await relayTo([port]);
  envoy(relay);
  await until('up', () => relay.status().controlPlane !== undefined);
  const client = kept(new Client(`127.0.0.1:${relay.address.port}`, credentials.createInsecure()));
  const logs = client.makeBidiStreamRequest(GRPC_PATHS.accessLogs, same, same);
  let ended = false;
  logs.on('data', () => undefined);
  logs.on('error', () => undefined);
  logs.on('end', () => {
    ended = true;
  });
  logs.write(Buffer.from([0x0a, 0]));
  await until('it broke', () => broken === 1);
  await until("Envoy's stream is ended", () => ended);
  assert.notEqual(relay.status().controlPlane, undefined);
});
