/** Access logs and load reports at a real worker, on both transports: who may report, what the core is told, which nodes report. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Client } from '@grpc/grpc-js';
import { compileOwn } from '../../src/compile/index.ts';
import { decodeDeltaResponse, encodeDeltaRequest, encodeStateRequest, GRPC_PATHS, LDS } from '../../src/proto/index.ts';
import { type ClientStream, newClient, openStream } from '../contracts/transport-stand.ts';
import { eventually } from '../e2e/harness.ts';
import { httpEntry, loadMessage, logsMessage, readLoadAnswer } from '../support/use-messages.ts';
import { WorkerStand } from '../support/worker-stand.ts';

const CART = 'cart.shop:80';
const NOWHERE = { region: '', zone: '', subzone: '' };
const http = [httpEntry({ cluster: CART, route: CART, authority: 'cart.shop', status: 200 })];

interface AdsInput {
  readonly id: string;
  readonly cluster: string;
  /** Listeners held before, with their versions. */
  readonly held?: Readonly<Record<string, string>>;
}

const suite = (transport: string): void => {
  let stand: WorkerStand;
  const closing: { close(): unknown }[] = [];
  before(async () => {
    stand = await WorkerStand.start({ 'xds-transport': transport });
    const ports = [{ port: 80, protocol: 'http' }];
    await stand.events(
      { type: 'service.registered', data: { namespace: 'shop', name: 'cart', ports } },
      { type: 'service.registered', data: { namespace: 'shop', name: 'web', ports } },
    );
  });
  after(async () => {
    for (const one of closing.reverse()) await one.close();
    await stand?.stop();
  });

  const connect = (): Client => {
    const client = newClient(stand.worker.address.port);
    closing.push(client);
    return client;
  };
  const open = (path: string, client: Client = connect()): ClientStream =>
    openStream(stand.worker.address.port, { path, client });
  const logs = (node: { id: string; cluster: string }, client?: Client): ClientStream => {
    const stream = open(GRPC_PATHS.accessLogs, client);
    stream.stream.write(logsMessage({ node, http }));
    return stream;
  };
  const metric = async (name: string): Promise<number> => {
    const { use } = await stand.ask<{ use: Record<string, number> }>({ what: 'counters' });
    return use[name] ?? Number.NaN;
  };

  /** An Envoy that takes its listeners; `acks`: how many responses it acknowledges. */
  const ads = ({ id, cluster, held = {} }: AdsInput, client?: Client): ClientStream & { ack(at: number): void } => {
    const stream = open(GRPC_PATHS.delta, client);
    const node = { id, cluster, metadata: {}, locality: NOWHERE, userAgentName: 'envoy', clientFeatures: [] };
    const send = (more: Partial<Parameters<typeof encodeDeltaRequest>[0]>): void => {
      const request = {
        typeUrl: LDS,
        subscribe: [],
        unsubscribe: [],
        initialResourceVersions: new Map(),
        responseNonce: '',
      };
      stream.stream.write(Buffer.from(encodeDeltaRequest({ ...request, ...more })));
    };
    send({ node, initialResourceVersions: new Map(Object.entries(held)) });
    return {
      ...stream,
      ack: (at) => send({ responseNonce: decodeDeltaResponse(stream.messages[at] ?? Buffer.alloc(0)).nonce }),
    };
  };
  test('uses reach the core; the stream is answered when its client has finished', async () => {
    const stream = logs({ id: 'n1', cluster: 'web.shop' });
    await eventually('a report', () => stand.uses.some(({ from }) => from === 'web.shop'));
    const [use] = stand.uses.filter(({ from }) => from === 'web.shop');
    assert.deepEqual([use?.to, use?.node, use?.requests, use?.errors], [CART, 'n1', 1, 0]);
    assert.equal(stream.messages.length, 0);
    stream.stream.end();
    assert.equal((await stream.status).code, 0);
    assert.deepEqual(stream.messages, [Buffer.alloc(0)]);
  });

  test('load reports: answered at once, then taken', async () => {
    const stream = open(GRPC_PATHS.loadStats);
    stream.stream.write(loadMessage({ node: { id: 'g1', cluster: 'rpc.shop' } }));
    await eventually('an answer', () => stream.messages.length === 1);
    assert.deepEqual(readLoadAnswer(stream.messages[0] ?? Buffer.alloc(0)), {
      loadReportingInterval: { seconds: 10 },
      sendAllClusters: true,
    });
    const upstreamLocalityStats = [{ totalSuccessfulRequests: 3, totalErrorRequests: 1, totalIssuedRequests: 4 }];
    stream.stream.write(loadMessage({ clusterStats: [{ clusterName: CART, upstreamLocalityStats }] }));
    await eventually('a report', () => stand.uses.some(({ from }) => from === 'rpc.shop'));
    const [use] = stand.uses.filter(({ from }) => from === 'rpc.shop');
    assert.deepEqual([use?.to, use?.node, use?.requests, use?.errors], [CART, 'g1', 4, 1]);
    stream.close();
  });

  test('a lying sidecar: not for another service on its own connection, in either order', async () => {
    const refused = await metric('refused');
    const client = connect();
    const xds = ads({ id: 'thief-1', cluster: 'thief.shop' }, client);
    await eventually('its listeners', () => xds.messages.length > 0);
    for (const path of [GRPC_PATHS.accessLogs, GRPC_PATHS.loadStats]) {
      const liar = open(path, client);
      const node = { id: 'thief-1', cluster: 'bank.shop' };
      liar.stream.write(path === GRPC_PATHS.accessLogs ? logsMessage({ node, http }) : loadMessage({ node }));
      const { code, details } = await liar.status;
      assert.equal(code, 7);
      assert.equal(details, 'this connection belongs to thief.shop; bank.shop may not report use here');
    }
    const other = connect();
    const entries = await metric('entries');
    const early = logs({ id: 'thief-2', cluster: 'bank2.shop' }, other);
    await eventually('it is taken', async () => (await metric('entries')) > entries);
    ads({ id: 'thief-2', cluster: 'thief.shop' }, other);
    assert.equal((await early.status).code, 7);
    assert.equal(await metric('refused'), refused + 3);
    assert.deepEqual(
      stand.uses.filter(({ from }) => from === 'bank.shop'),
      [],
    );
    const honest = logs({ id: 'thief-1', cluster: 'thief.shop' }, client);
    await eventually('its own use counts', () => stand.uses.some(({ from }) => from === 'thief.shop'));
    honest.close();
  });

  test('garbage, no node, no service: the stream ends with a status, and the next one is served', async () => {
    const bad = open(GRPC_PATHS.accessLogs);
    bad.stream.write(Buffer.of(0x0a, 0xff));
    assert.equal((await bad.status).code, 3);
    const nobody = open(GRPC_PATHS.accessLogs);
    nobody.stream.write(logsMessage({ http }));
    const { code, details } = await nobody.status;
    assert.deepEqual([code, details], [3, 'the first message must carry identifier.node with an id']);
    const anonymous = logs({ id: 'x', cluster: '' });
    assert.equal((await anonymous.status).code, 3);
    assert.ok((await metric('malformed')) >= 1);
  });

  test('what the core does not confirm is told to the next one, with what came since', async () => {
    stand.confirms = false;
    const stream = logs({ id: 'c1', cluster: 'careful.shop' });
    const mine = (): readonly number[] =>
      stand.uses.filter(({ from }) => from === 'careful.shop').map(({ requests }) => requests);
    await eventually('a report', () => mine().length === 1);
    stream.stream.write(logsMessage({ http }));
    stand.newCore();
    stand.confirms = true;
    await eventually('all of it', () => mine().length === 2);
    assert.deepEqual(mine(), [1, 2]);
    stream.close();
  });

  describe('holders', () => {
    test('an Envoy reports use once it has acknowledged our listener, not before', async () => {
      const envoy = ads({ id: 'h1', cluster: 'holder.shop' });
      await eventually('its listeners', () => envoy.messages.length > 0);
      assert.deepEqual(await stand.holders('holder.shop'), {
        caller: 'holder.shop',
        nodes: 1,
        silent: 1,
        arrived: [],
        departed: [],
      });
      envoy.ack(0);
      await eventually('the ACK is in', async () => (await stand.holders('holder.shop'))?.silent === 0);
      const second = ads({ id: 'h2', cluster: 'holder.shop' });
      await eventually('its listeners', () => second.messages.length > 0);
      const row = await stand.holders('holder.shop');
      assert.deepEqual([row?.nodes, row?.silent], [2, 1]);
      envoy.close();
      second.close();
      await eventually('both are gone', async () => (await stand.holders('holder.shop')) === undefined);
    });

    test('one that comes back with our listener reports; one with another does not; both have arrived, once', async () => {
      const listen = { address: '127.0.0.1', outbound: 15001, inbound: undefined };
      const ours = compileOwn({
        caller: 'back.shop',
        namespace: 'shop',
        serviceAccount: undefined,
        listen,
        onDemand: true,
        service: undefined,
        endpoint: undefined,
        tcp: [],
      }).listeners.get('outbound')?.version;
      assert.ok(ours !== undefined);
      await stand.holders('back.shop');
      const one = ads({ id: 'b1', cluster: 'back.shop', held: { outbound: ours } });
      const two = ads({ id: 'b2', cluster: 'back.shop', held: { outbound: 'of-an-older-build' } });
      await eventually('the second is sent ours', () => two.messages.length > 0);
      let arrived: string[] = [];
      await eventually('both have arrived', async () => {
        const row = await stand.holders('back.shop');
        arrived = [...arrived, ...(row?.arrived ?? [])];
        return row?.nodes === 2 && row.silent === 1 && arrived.length === 2;
      });
      assert.deepEqual(arrived.sort(), ['b1', 'b2']);
      assert.deepEqual((await stand.holders('back.shop'))?.arrived, []);
      stand.newCore();
      await eventually('the next core hears of them again', async () => {
        const row = await stand.holders('back.shop');
        return row?.arrived.length === 2;
      });
      one.close();
      two.close();
    });

    test('a raw listener in the place of ours is silence', async () => {
      const listener = 'type.googleapis.com/envoy.config.listener.v3.Listener';
      const address = { socketAddress: { address: '127.0.0.1', portValue: 15_001 } };
      await stand.events({
        type: 'resource.put',
        data: {
          node: 'raw-1',
          typeUrl: listener,
          name: 'outbound',
          resource: { '@type': listener, name: 'outbound', address },
        },
      });
      const envoy = ads({ id: 'raw-1', cluster: 'raw.shop' });
      await eventually('its listeners', () => envoy.messages.length > 0);
      envoy.ack(0);
      await eventually('it is acknowledged', async () => {
        const [session] = (
          await stand.ask<readonly { node: string; types: readonly { unacked: number }[] }[]>({ what: 'proxies' })
        ).filter(({ node }) => node === 'raw-1');
        return session?.types.every(({ unacked }) => unacked === 0) === true;
      });
      assert.equal((await stand.holders('raw.shop'))?.silent, 1);
      envoy.close();
    });

    test('a gRPC client reports while its stream of load reports is open; one that names a version has arrived', async () => {
      const node = {
        id: 'p1',
        cluster: 'proxyless.shop',
        metadata: {},
        locality: NOWHERE,
        userAgentName: 'gRPC Node Pure JS',
        clientFeatures: [],
      };
      const xds = open(GRPC_PATHS.sotw);
      xds.stream.write(
        Buffer.from(encodeStateRequest({ node, typeUrl: LDS, names: [CART], versionInfo: '7', responseNonce: '' })),
      );
      await eventually('its listener', () => xds.messages.length > 0);
      const row = await stand.holders('proxyless.shop');
      assert.deepEqual([row?.silent, row?.arrived], [1, ['p1']]);
      const loads = open(GRPC_PATHS.loadStats);
      loads.stream.write(loadMessage({ node: { id: 'p1', cluster: 'proxyless.shop' } }));
      await eventually('an answer', () => loads.messages.length === 1);
      assert.equal((await stand.holders('proxyless.shop'))?.silent, 0);
      loads.close();
      await eventually('silent again', async () => (await stand.holders('proxyless.shop'))?.silent === 1);
      xds.close();
    });
  });
};

describe('use', { concurrency: true }, () => {
  for (const transport of ['http2', 'grpc-js'])
    describe(`use on ${transport}`, { concurrency: 1, timeout: 300_000 }, () => suite(transport));
});
