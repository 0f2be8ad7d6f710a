/** The relay's way to its control planes: when it tries again, and how it leaves a stream. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '@grpc/grpc-js';
import { type RelayOptions, startRelay } from '../../../src/agent/index.ts';
import { same, Uplink } from '../../../src/agent/relay/uplink.ts';
import { CDS, composeDeltaResponse, encodeResource, GRPC_PATHS } from '../../../src/proto/index.ts';
import { nodeOf } from '../../delta-xds/support/memory-mesh.ts';
import { RawClient } from '../../delta-xds/support/raw-client.ts';
import { breakOff, controlPlane, eventually, kept } from './scripted-control-plane.ts';

const upstreams = (port: number) => [{ host: '127.0.0.1', port }];
const relayTo = async (port: number, more: Partial<RelayOptions> = {}) =>
  kept(
    await startRelay({
      ...{ listen: { host: '127.0.0.1', port: 0 }, upstreams: upstreams(port), mesh: 'default' },
      ...{ backoff: { baseMs: 5, maxMs: 5 }, ...more },
    }),
  );

test('a control plane that ends each stream is tried again slower and slower, until one stood for some seconds', async (t) => {
  let late = 0;
  const now = performance.now.bind(performance);
  t.mock.method(performance, 'now', () => now() + late);
  let streams = 0;
  const { port } = await controlPlane((call) => {
    // It answers, which alone does not make it a good one.
    call.write(Buffer.from([1]));
    if (++streams === 5) late += 6_000;
    call.end();
  });
  const waits: number[] = [];
  const uplink = kept(
    new Uplink({
      ...{ path: GRPC_PATHS.delta, underWay: new Map(), upstreams: upstreams(port) },
      ...{ backoff: { baseMs: 2, maxMs: 100 }, random: () => 0.999 },
      ...{ onReady: () => undefined, onMessage: () => undefined },
      onLost: (_, waitMs) => waits.push(waitMs),
    }),
  );
  uplink.start();
  await eventually('six streams', () => waits.length >= 6);
  assert.deepEqual(waits.slice(0, 6), [1, 3, 7, 15, 1, 3]);
});

test('a stream that broke is not cancelled in the turn that says so (nghttp2 of Node 20 spins then)', async (t) => {
  const cancelled: string[] = [];
  const early: string[] = [];
  const make = Client.prototype.makeBidiStreamRequest;
  t.mock.method(Client.prototype, 'makeBidiStreamRequest', function (this: Client, path: string) {
    const stream = make.call(this, path, (bytes) => bytes as Buffer, same);
    let isSameTurn = false;
    for (const event of ['error', 'end'])
      stream.on(event, () => {
        isSameTurn = true;
        queueMicrotask(() => {
          isSameTurn = false;
        });
      });
    const cancel = stream.cancel.bind(stream);
    stream.cancel = () => {
      cancelled.push(path);
      if (isSameTurn) early.push(path);
      cancel();
    };
    return stream;
  });
  let isBroken = true;
  const { port } = await controlPlane((call) => call.on('data', () => isBroken && breakOff(call)));
  const relay = await relayTo(port);
  const envoy = kept(new RawClient(relay.address.port));
  envoy.hello('a.shop');
  await eventually('its streams are lost', () => cancelled.length >= 2);
  isBroken = false;
  await eventually('a control plane', () => relay.status().envoys[0]?.state === 'up');
  isBroken = true;
  kept(new RawClient(relay.address.port, {}, GRPC_PATHS.accessLogs)).sendBytes(Buffer.from([1]));
  await eventually('and a log stream', () => cancelled.includes(GRPC_PATHS.accessLogs));
  assert.deepEqual(early, []);
});

test('a control plane counts as there while an Envoy is about to join it, though the stream of another one broke', async () => {
  const lost: string[] = [];
  const log = { info: () => undefined, error: () => undefined, warn: (_: object, text: string) => lost.push(text) };
  const resource = encodeResource({ name: 'a', version: '1', typeUrl: CDS, body: Buffer.alloc(0) });
  const response = composeDeltaResponse({ typeUrl: CDS, nonce: '1', resources: [resource], removed: [] });
  const first = await controlPlane((call) => call.once('data', () => call.write(Buffer.from(response))));
  const relay = await relayTo(first.port, { log });
  const states = () => relay.status().envoys.map(({ state }) => state);
  const holder = new RawClient(relay.address.port);
  holder.hello('a.shop');
  await holder.response(0);
  holder.send({ typeUrl: CDS, responseNonce: '1' });
  await eventually('it is last good', () => relay.status().lastGood[0]?.resources === 1);
  holder.close();
  first.close();
  await eventually('nobody is there', () => states().length === 0);
  const joining = kept(new RawClient(relay.address.port));
  joining.hello('a.shop');
  // It never answers what it is sent, so it does not join for some seconds.
  await joining.response(0);
  lost.length = 0;
  let streams = 0;
  const isFirst = (): boolean => ++streams === 1;
  await controlPlane((call) => call.on('data', () => isFirst() && breakOff(call)), first.port);
  await eventually('one is about to join', () => states()[0] === 'joining');
  const other = kept(new RawClient(relay.address.port));
  other.send({ typeUrl: CDS, node: nodeOf('b.shop') });
  await eventually('its stream broke, and it has another one', () => relay.status().envoys[1]?.upstreams === 2);
  assert.deepEqual(lost, []);
});
