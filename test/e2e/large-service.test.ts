/** Issue 3, section 8.7: a service with 10,000 endpoints. How long it takes is measured by bench/large-service.ts. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { SidecarClient } from '../../src/sidecar-client/index.ts';
import { callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { endpointEvent, eventually, serviceEvents, startMesh } from './harness.ts';
import { startLightSidecar } from './light-sidecars.ts';
import { Toys } from './toys.ts';

const ENDPOINTS = 10_000;
const LARGE = 'large.default:80';

/** 10.0.0.0/8, nowhere reachable. */
const addressOf = (index: number): string => `10.1.${index >> 8}.${index & 255}`;

suite('large service', { skip: requirePart('envoy') }, () => {
  test('one endpoint of 10,000 removed reaches its holders, and a change of another service beside it', async () => {
    const toys = new Toys();
    const mesh = await startMesh();
    const clients: SidecarClient[] = [];
    try {
      await mesh.events(
        ...serviceEvents(
          'large',
          [{ port: 80, protocol: 'http' }],
          Array.from({ length: ENDPOINTS }, (_, index) => ({
            id: `large-${index}`,
            address: addressOf(index),
            ports: {},
          })),
        ),
        ...serviceEvents(
          'small',
          [{ port: 80, protocol: 'http' }],
          [{ id: 'small-1', ports: { 80: (await toys.http('first')).port } }],
        ),
      );
      const sidecar = await mesh.sidecar({ service: 'holder.default' });
      const { outboundPort: port } = sidecar;
      // Nobody listens at these addresses: holding them is what matters.
      await mesh.docs('kind: Dependency\nmetadata: {name: holder}\nspec: {to: {large.default: {}}}');
      const total = (): Promise<number> => sidecar.stat(/^cluster\.large\.default_80\.membership_total$/);
      await eventually('Envoy has all endpoints', async () => (await total()) === ENDPOINTS);
      const { xds } = mesh.server;
      for (const id of ['light-1', 'light-2']) {
        const client = await startLightSidecar({ xds, id, service: `${id}.default` });
        clients.push(client);
        assert.equal(await client.hold(LARGE), true);
        assert.equal(client.endpoints(LARGE)?.length, ENDPOINTS);
      }
      const bystander = await startLightSidecar({ xds, id: 'bystander', service: 'bystander.default' });
      clients.push(bystander);
      assert.equal(await bystander.hold('small.default:80'), true);
      const responses = bystander.stats().responses;

      const gone = addressOf(4_711);
      await mesh.events({
        type: 'endpoint.deregistered',
        data: { namespace: 'default', service: 'large', id: 'large-4711' },
      });
      await eventually('Envoy has one less', async () => (await total()) === ENDPOINTS - 1);
      const hosts = await sidecar.hosts(LARGE);
      assert.deepEqual([hosts.length, hosts.some(({ address }) => address === gone)], [ENDPOINTS - 1, false]);
      for (const client of clients.slice(0, 2)) {
        await eventually('so have the others', () => client.endpoints(LARGE)?.length === ENDPOINTS - 1);
        assert.equal(
          client.endpoints(LARGE)?.some(({ address }) => address === gone),
          false,
        );
      }
      assert.equal(bystander.stats().responses, responses, 'nothing to who does not hold it');

      // Beside changes of the large service the small one is served.
      const target = await toys.http('second');
      await Promise.all([
        ...[1, 2, 3].map((index) =>
          mesh.events({
            type: 'endpoint.deregistered',
            data: { namespace: 'default', service: 'large', id: `large-${index}` },
          }),
        ),
        mesh.events(endpointEvent('small', { id: 'small-1', ports: { 80: target.port } })),
      ]);
      assert.equal((await callHttp({ port, authority: 'small.default' })).headers['x-backend'], 'second');
      await eventually('all removals have arrived', async () => (await total()) === ENDPOINTS - 4);
      await eventually(
        'the bystander follows',
        () => bystander.endpoints('small.default:80')?.[0]?.port === target.port,
      );
      await sidecar.assertHealthy();
    } finally {
      await Promise.all(clients.map((client) => client.close()));
      await mesh.stop();
      await toys.close();
    }
  });
});
