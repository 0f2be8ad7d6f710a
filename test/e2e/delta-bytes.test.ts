/** Issue 3, section 8.6: one changed Route of 200 services costs its holders one virtual host, and all others nothing. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { SidecarClient } from '../../src/sidecar-client/index.ts';
import { callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { eventually, serviceEvents, startMesh } from './harness.ts';
import { startLightSidecar } from './light-sidecars.ts';
import { Toys } from './toys.ts';

const SERVICES = 200;
const CHANGED = 'service-7.default';
/** What a change may cost a sidecar that holds the service, bytes. */
const LIMIT = 1_500;
/** HTTP/2 pings of a connection that carries nothing else. */
const PINGS = 64;

suite('bytes of a change', { skip: requirePart('envoy') }, () => {
  test('200 services, one time-out changed: at most 1.5 KB to each holder, nothing to the others', async () => {
    const toys = new Toys();
    const mesh = await startMesh();
    const clients: SidecarClient[] = [];
    try {
      const app = await toys.http('app');
      await mesh.events(
        ...Array.from({ length: SERVICES }, (_, index) =>
          serviceEvents(
            `service-${index}`,
            [{ port: 80, protocol: 'http' }],
            [1, 2, 3].map((instance) => ({ id: `service-${index}-${instance}`, ports: { 80: app.port } })),
          ),
        ).flat(),
      );
      await mesh.docs('kind: Route\nmetadata: {name: service-7}\nspec: {timeout: 5s}');
      const { xds } = mesh.server;

      /** Each light sidecar is a service of its own and calls two services, the holders one of them the changed one. */
      const connect = async (id: string, services: readonly string[]): Promise<SidecarClient> => {
        const client = await startLightSidecar({ xds, id, service: `${id}.default` });
        clients.push(client);
        for (const service of services) assert.equal(await client.hold(`${service}:80`), true, service);
        return client;
      };
      const holders: SidecarClient[] = [];
      const others: SidecarClient[] = [];
      for (let index = 0; index < 20; index++) {
        holders.push(await connect(`holder-${index}`, [CHANGED, `service-${20 + index}.default`]));
        others.push(
          await connect(`other-${index}`, [`service-${20 + index}.default`, `service-${60 + index}.default`]),
        );
      }
      const [envoyHolder, envoyOther] = [
        await mesh.sidecar({ service: 'envoy-holder.default' }),
        await mesh.sidecar({ service: 'envoy-other.default' }),
      ];
      const call = (port: number, authority: string, path = '/') => callHttp({ port, authority, path });
      assert.equal((await call(envoyHolder.outboundPort, CHANGED)).status, 200);
      assert.equal((await call(envoyOther.outboundPort, 'service-8.default')).status, 200);
      // Their access logs are streams of their own; what opens them is not what is measured.
      await eventually('both log', async () => (await mesh.metric('tendril_als_streams')) === 2);
      await Promise.all([envoyHolder.quiet(500), envoyOther.quiet(500)]);

      const before = {
        holders: holders.map((client) => client.stats()),
        others: others.map((client) => client.stats()),
        envoyHolder: await envoyHolder.wireBytes(),
        envoyOther: await envoyOther.wireBytes(),
        rowOfOther: await mesh.proxy(envoyOther),
      };
      await mesh.docs('kind: Route\nmetadata: {name: service-7}\nspec: {timeout: 300ms}');
      await eventually('the Envoy that holds it obeys', async () => {
        const { status } = await call(envoyHolder.outboundPort, CHANGED, '/?delay=1000');
        return status === 504;
      });
      await Promise.all([envoyHolder.quiet(500), envoyOther.quiet(500)]);

      holders.forEach((client, index) => {
        const [was, is] = [before.holders[index], client.stats()];
        assert.equal(is.resources - (was?.resources ?? 0), 1, `resources to holder ${index}`);
        const bytes = is.responseBytes - (was?.responseBytes ?? 0);
        assert.ok(bytes > 0 && bytes <= LIMIT, `${bytes} bytes to holder ${index}`);
      });
      others.forEach((client, index) => {
        const [was, is] = [before.others[index], client.stats()];
        assert.deepEqual([is.responses, is.responseBytes], [was?.responses, was?.responseBytes], `other ${index}`);
      });
      const received = (await envoyHolder.wireBytes()).received - before.envoyHolder.received;
      assert.ok(received > 0 && received <= LIMIT, `${received} bytes to the Envoy that holds it, framing included`);
      assert.equal((await mesh.proxy(envoyOther))?.bytes, before.rowOfOther?.bytes);
      const idle = (await envoyOther.wireBytes()).received - before.envoyOther.received;
      assert.ok(idle <= PINGS, `${idle} bytes to the Envoy that does not hold it`);
      await envoyHolder.assertHealthy();
      await envoyOther.assertHealthy();
    } finally {
      await Promise.all(clients.map((client) => client.close()));
      await mesh.stop();
      await toys.close();
    }
  });
});
