/**
 * Issue 7, 1.6: a real Envoy behind the relay is killed and started again while the control plane is dead: it has its last good
 * configuration, no request to a service it knew fails, and when the control plane is back nothing held is sent again.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { type Relay, startRelay } from '../../src/agent/index.ts';
import { callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { freePort } from '../support/ports.ts';
import { eventually, serviceEvents, startMesh } from './harness.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';
import { Toys } from './toys.ts';
import { startTraffic } from './traffic.ts';

const KNOWN = ['known-a', 'known-b'];
const ID = 'sidecar~10.0.0.7~caller.default';

suite('relay', { skip: requirePart('envoy') }, () => {
  test('an Envoy restarted without a control plane serves what it knew; the control plane comes back', async () => {
    const toys = new Toys();
    const cacheDir = mkdtempSync(join(tmpdir(), 'tendril-relay-'));
    const mesh = await startMesh({ log: 'lmdb', child: true });
    const start = (port: number): Promise<Relay> =>
      startRelay({ listen: { host: '127.0.0.1', port }, upstreams: [mesh.server.xds], cacheDir, mesh: 'default' });
    const outboundPort = await freePort();
    let relay = await start(0);
    let sidecar: Sidecar | undefined;
    try {
      for (const name of [...KNOWN, 'fresh'])
        await mesh.events(
          ...serviceEvents(
            name,
            [{ port: 80, protocol: 'http' }],
            [{ id: `${name}-1`, ports: { 80: (await toys.http(name)).port } }],
          ),
        );
      const begin = async (): Promise<Sidecar> => {
        const made = await startSidecar({ service: 'caller.default', id: ID, outboundPort }, relay.address);
        sidecar = made;
        return made;
      };
      let envoy = await begin();
      await envoy.envoy.live();
      const call = (name: string) => callHttp({ port: envoy.outboundPort, authority: `${name}.default` });
      const traffic = () =>
        startTraffic(KNOWN.map((name) => ({ port: envoy.outboundPort, authority: `${name}.default` })));
      for (const name of KNOWN) assert.equal((await call(name)).status, 200);
      await envoy.quiet();
      await envoy.assertHealthy();
      assert.deepEqual(
        relay.status().envoys.map(({ node, state, local, refused }) => [node, state, local, refused]),
        [[ID, 'up', 0, 0]],
      );

      let running = traffic();
      await running.more(20);
      await mesh.server.killAll();
      await running.more(30);
      await running.stop();
      assert.deepEqual(running.failures(), [], 'the control plane dies');

      await envoy.envoy.kill();
      // The relay too: only what is on disk is left.
      const { port } = relay.address;
      await relay.close();
      relay = await start(port);
      const since = performance.now();
      envoy = await begin();
      await eventually('the listener is up', async () => {
        const answer = await call('known-a').catch(() => undefined);
        return answer !== undefined;
      });
      console.log(
        `# restart without a control plane: first answer ${Math.round(performance.now() - since)} ms after the start of Envoy`,
      );
      running = traffic();
      await running.more(50);
      await envoy.assertHealthy();
      assert.equal(relay.status().controlPlane, undefined);
      const parked = call('fresh');

      const held = await envoy.holds();
      await mesh.start();
      assert.equal((await parked).status, 200, 'a host asked for meanwhile is answered');
      await eventually('messages pass', () => relay.status().envoys[0]?.state === 'up');
      await envoy.quiet();
      const [status] = relay.status().envoys;
      // Cluster, assignment and virtual host of the new service.
      assert.equal(status?.relayedResources, 3, 'nothing that it holds is sent again');
      assert.deepEqual(
        (await envoy.holds()).virtualHosts.filter((name) => !held.virtualHosts.includes(name)),
        ['fresh.default:80'],
      );
      await mesh.docs('kind: Route\nmetadata: {name: known-b}\nspec: {timeout: 300ms}');
      await eventually('a change arrives', async () => {
        const answer = await callHttp({ port: envoy.outboundPort, authority: 'known-b.default', path: '/?delay=1500' });
        return answer.status === 504;
      });
      await running.more(20);
      await running.stop();
      assert.deepEqual(running.failures(), []);
      await envoy.assertHealthy();
    } finally {
      await sidecar?.stop();
      await relay.close();
      await mesh.stop();
      await toys.close();
      rmSync(cacheDir, { recursive: true, force: true });
    }
  });
});
