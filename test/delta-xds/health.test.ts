/** grpc.health.v1 beside the xDS methods, as probes and load balancers call it, on both transports. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { createAdsServer, type TransportName } from '../../src/delta-xds/index.ts';
import { GRPC_PATHS } from '../../src/proto/index.ts';
import { eventually } from '../contracts/transport-stand.ts';
import { MemoryMesh } from './support/memory-mesh.ts';

const ADS = 'envoy.service.discovery.v3.AggregatedDiscoveryService';
const [SERVING, NOT_SERVING, SERVICE_UNKNOWN] = ['0801', '0802', '0803'];

const same = (bytes: Buffer): Buffer => bytes;
const request = (service: string): Buffer =>
  service === '' ? Buffer.alloc(0) : Buffer.concat([Buffer.of(0x0a, service.length), Buffer.from(service)]);

const suite = (transport: TransportName): void => {
  const closing: { close(): unknown }[] = [];
  after(async () => {
    for (const one of closing.reverse()) await one.close();
  });
  const stand = async () => {
    const server = createAdsServer({
      source: new MemoryMesh(),
      transport,
      clock: () => performance.now(),
      now: Date.now,
      random: Math.random,
      logger: { info: () => undefined, warn: () => undefined },
      identifier: 'tendril/test/0',
    });
    const { port } = await server.listen('127.0.0.1', 0);
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    });
    closing.push(server, client);
    const check = (bytes: Buffer): Promise<string> =>
      new Promise((done, fail) => {
        client.makeUnaryRequest(
          GRPC_PATHS.healthCheck,
          same,
          same,
          bytes,
          (error: ServiceError | null, value?: Buffer) =>
            error === null ? done(value?.toString('hex') ?? '') : fail(error),
        );
      });
    const watch = (service: string) => {
      const stream = client.makeServerStreamRequest(GRPC_PATHS.healthWatch, same, same, request(service));
      const told: string[] = [];
      stream.on('data', (bytes: Buffer) => told.push(bytes.toString('hex')));
      const ended = new Promise<ServiceError>((done) => stream.on('error', done));
      return { stream, told, ended };
    };
    return { server, check, watch };
  };

  test('Check: the server and each xDS service are SERVING, another one is NOT_FOUND', async () => {
    const { check } = await stand();
    assert.equal(await check(request('')), SERVING);
    assert.equal(await check(request(ADS)), SERVING);
    assert.equal(await check(request('envoy.service.secret.v3.SecretDiscoveryService')), SERVING);
    await assert.rejects(check(request('shop.Cart')), { code: 5, details: 'service "shop.Cart" is not served here' });
    await assert.rejects(check(Buffer.of(0x0a, 0xff)), { code: 3 });
  });

  test('Watch tells the state, and NOT_SERVING as soon as the server drains; an unknown service is said to be so', async () => {
    const { server, watch } = await stand();
    const [whole, ads, other] = [watch(''), watch(ADS), watch('shop.Cart')];
    await eventually('all three have an answer', () => [whole, ads, other].every(({ told }) => told.length === 1));
    assert.equal(server.counters().healthWatches, 3);
    await server.drain(50);
    assert.equal((await whole.ended).code, 14);
    assert.equal((await ads.ended).code, 14);
    assert.deepEqual(
      [whole.told, ads.told, other.told],
      [[SERVING, NOT_SERVING], [SERVING, NOT_SERVING], [SERVICE_UNKNOWN]],
    );
    await eventually('no watch is left', () => server.counters().healthWatches === 0);
  });

  test('a watch that its client cancels is forgotten', async () => {
    const { server, watch } = await stand();
    const { stream, told, ended } = watch('');
    await eventually('an answer', () => told.length === 1);
    stream.cancel();
    assert.equal((await ended).code, 1);
    await eventually('it is forgotten', () => server.counters().healthWatches === 0);
  });
};

for (const transport of ['grpc-js', 'http2'] as const) describe(transport, () => suite(transport));
