/** Other gRPC methods on the xDS port, on both transports: the same bounds and the same end as for xDS streams. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import {
  type AdsServer,
  createAdsServer,
  type NodeFacts,
  type ServerLimits,
  type TransportName,
} from '../../src/delta-xds/index.ts';
import { encodeDeltaRequest, GRPC_PATHS, LDS } from '../../src/proto/index.ts';
import { type ClientStream, eventually, newClient, openStream } from '../contracts/transport-stand.ts';
import { MemoryMesh, nodeOf } from './support/memory-mesh.ts';

const PATH = '/test.Side/Collect';
const nothing = (): void => undefined;

const suite = (transport: TransportName): void => {
  const closing: { close(): unknown }[] = [];
  after(async () => {
    for (const one of closing.reverse()) await one.close();
  });

  /** The side route collects: it says how many messages came when the client has finished. */
  const stand = async (limits: Partial<ServerLimits> = {}) => {
    const watched: string[] = [];
    const note = (what: string) => (peer: string, facts: NodeFacts) => watched.push(`${what} ${facts.caller} ${peer}`);
    const server: AdsServer = createAdsServer({
      source: new MemoryMesh(),
      transport,
      limits,
      clock: () => performance.now(),
      now: Date.now,
      random: Math.random,
      logger: { info: nothing, warn: nothing },
      identifier: 'tendril/test/0',
      watcher: { joined: note('joined'), left: note('left') },
      sideRoutes: new Map([
        [
          PATH,
          (stream) => {
            let count = 0;
            return {
              onMessage: () => count++,
              onHalfClose: () => {
                stream.write(Buffer.of(count), nothing);
                stream.end(0, '');
              },
              onClose: nothing,
            };
          },
        ],
      ]),
    });
    const { port } = await server.listen('127.0.0.1', 0);
    closing.push(server);
    const client = newClient(port);
    closing.push(client);
    return { server, watched, open: (path = PATH): ClientStream => openStream(port, { path, client }) };
  };

  test('messages are taken in order, and answered when the client has finished', async () => {
    const { open, server } = await stand();
    const one = open();
    for (const word of ['a', 'b', 'c']) one.stream.write(Buffer.from(word));
    await eventually('it is open', () => server.counters().sideStreams === 1);
    assert.equal(one.messages.length, 0);
    one.stream.end();
    assert.equal((await one.status).code, 0);
    assert.deepEqual(one.messages, [Buffer.of(3)]);
    await eventually('it is forgotten', () => server.counters().sideStreams === 0);
  });

  test('a connection whose only stream is one of these is not idle, and is idle when it has ended', async () => {
    const { open, server } = await stand({ firstStreamMs: 150, idleMs: 150 });
    const one = open();
    one.stream.write(Buffer.from('a'));
    await eventually('it is open', () => server.counters().sideStreams === 1);
    await new Promise((next) => setTimeout(next, 600));
    assert.deepEqual([server.counters().connections, server.counters().connectionsIdle], [1, 0]);
    one.stream.end();
    assert.equal((await one.status).code, 0);
    await eventually('the connection is closed', () => server.counters().connectionsIdle === 1);
  });

  test('the first message must come in time, and no message may be too large', async () => {
    const { open, server } = await stand({ firstMessageMs: 150, receiveBytes: 2_048 });
    assert.equal((await open().status).code, 4);
    const large = open();
    large.stream.write(Buffer.alloc(4_096));
    assert.equal((await large.status).code, 8);
    const { firstMessagesLate, messagesRefused } = server.counters();
    assert.deepEqual([firstMessagesLate, messagesRefused], [1, 1]);
  });

  test('a server that drains ends them; its health knows the service', async () => {
    const { open, server } = await stand();
    const health = open(GRPC_PATHS.healthCheck);
    health.stream.write(Buffer.concat([Buffer.of(0x0a, 9), Buffer.from('test.Side')]));
    await eventually('an answer', () => health.messages.length === 1);
    assert.equal(health.messages[0]?.toString('hex'), '0801');
    const one = open();
    one.stream.write(Buffer.from('a'));
    await eventually('it is open', () => server.counters().sideStreams === 1);
    await server.drain(50);
    const { code, details } = await one.status;
    assert.deepEqual([code, details], [14, 'the control plane is draining; reconnect']);
  });

  test('nodes are told as they come and go, once each, and what they have brought and taken is known', async () => {
    const { open, server, watched } = await stand();
    const fresh = open(GRPC_PATHS.delta);
    const back = open(GRPC_PATHS.delta);
    const hello = (caller: string, held: readonly (readonly [string, string])[]): Buffer =>
      Buffer.from(
        encodeDeltaRequest({
          node: nodeOf(caller),
          typeUrl: LDS,
          subscribe: [],
          unsubscribe: [],
          initialResourceVersions: new Map(held),
          responseNonce: '',
        }),
      );
    fresh.stream.write(hello('fresh.shop', []));
    back.stream.write(hello('back.shop', [['outbound', 'v-of-old']]));
    await eventually('both have joined', () => watched.length === 2);
    const of = (caller: string) => [...server.connected()].find(({ facts }) => facts?.caller === caller);
    assert.equal(of('fresh.shop')?.broughtAt, undefined);
    assert.ok((of('back.shop')?.broughtAt ?? 0) > 0);
    assert.equal(of('fresh.shop')?.takenVersion('lds', 'outbound'), undefined);
    fresh.stream.cancel();
    back.stream.end();
    await eventually('both have left', () => watched.length === 4);
    const { peer } = { peer: watched[0]?.split(' ')[2] };
    assert.deepEqual(watched.map((line) => line.replace(` ${peer}`, '')).sort(), [
      'joined back.shop',
      'joined fresh.shop',
      'left back.shop',
      'left fresh.shop',
    ]);
    assert.deepEqual([...server.connected()], []);
  });
};

for (const transport of ['grpc-js', 'http2'] as const)
  describe(`side streams on ${transport}`, { timeout: 300_000 }, () => suite(transport));
