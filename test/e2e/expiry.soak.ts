/**
 * Issue 5, sections 1.2 and 2, all of it in one chain and in real time: an Envoy's access logs, what the workers tell, the edge keeper, the
 * expiry in the log, what it does to a sidecar that was preloaded, and the renewal of one that had asked. Takes a quarter of an hour: the
 * shortest TTL is ten minutes.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { eventually, serviceEvents, startMesh } from './harness.ts';
import { Toys } from './toys.ts';
import { startTraffic, type Traffic } from './traffic.ts';

const CALLER = 'app.default';
const KEPT = 'kept.default';
const COUNT = 20;
const PORTS = [{ port: 80, protocol: 'http' }];
/** TTL, grace, and the rounds of the keeper. */
const LONGEST_MS = 17 * 60_000;

interface Edge {
  readonly to: string;
  readonly state: string;
  readonly evidence: readonly string[];
}

suite('expiry', { skip: requirePart('envoy') }, () => {
  test('what is used stays, what nobody uses expires and goes from both sidecars, and nobody sees an error', async (t) => {
    const toys = new Toys();
    const mesh = await startMesh({ xdsLimits: `renewal-stale=${COUNT / 2}` });
    let traffic: Traffic | undefined;
    const names = Array.from({ length: COUNT }, (_, at) => `once-${at}`);
    const once = names.map((name) => `${name}.default`);
    const edges = async (): Promise<readonly Edge[]> =>
      (await mesh.request('GET', `/v1/graph?focus=${CALLER}&depth=1`)).body.edges as readonly Edge[];
    const statesOf = async (services: readonly string[]): Promise<readonly (string | undefined)[]> => {
      const found = await edges();
      return services.map((service) => found.find(({ to }) => to === service)?.state);
    };
    try {
      const { port: target } = await toys.http('all');
      await mesh.events(
        ...['kept', ...names].flatMap((name) => serviceEvents(name, PORTS, [{ id: name, ports: { 80: target } }])),
        {
          type: 'policy.applied',
          data: {
            document: {
              apiVersion: 'tendril.dev/v1',
              kind: 'Dependency',
              metadata: { name: 'defaults' },
              spec: { scope: { mesh: true }, ttl: '10m' },
            },
          },
        },
      );
      const asked = await mesh.sidecar({ service: CALLER, drainTimeS: 5 });
      for (const authority of [KEPT, ...once])
        assert.equal((await callHttp({ port: asked.outboundPort, authority })).status, 200);
      await eventually('all are observed', async () => {
        const found = await edges();
        return found.length === COUNT + 1 && found.every(({ evidence }) => evidence.includes('observed'));
      });
      const preloaded = await mesh.sidecar({ service: CALLER, drainTimeS: 5 });
      await eventually('its sibling is preloaded', async () => (await preloaded.holds()).clusters.length === COUNT + 1);
      traffic = startTraffic([
        { port: asked.outboundPort, authority: KEPT },
        { port: preloaded.outboundPort, authority: KEPT },
      ]);
      const since = Date.now();
      const minutes = (): string => ((Date.now() - since) / 60_000).toFixed(1);

      await eventually(
        'what was called once expires',
        async () => (await statesOf(once)).every((state) => state === 'expired'),
        LONGEST_MS,
      );
      t.diagnostic(`expired after ${minutes()} minutes of a TTL of 10`);
      assert.deepEqual(await statesOf([KEPT]), ['active']);
      await eventually(
        'the sibling, which never asked, holds it no more',
        async () => (await preloaded.holds()).clusters.join() === `${KEPT}:80`,
      );
      await eventually(
        'who asked goes over to the next generation, and gives it up too',
        async () => {
          const { clusters, virtualHosts } = await asked.holds();
          return clusters.join() === `${KEPT}:80` && virtualHosts.join() === `outbound~1/${KEPT}:80`;
        },
        300_000,
      );
      t.diagnostic(`given up after ${minutes()} minutes`);
      await traffic.more(20);
      await traffic.stop();
      assert.deepEqual(traffic.failures(), [], `errors in ${traffic.calls()} calls of the service that was kept`);
      t.diagnostic(`${traffic.calls()} calls of the service that was kept, 0 errors`);
      assert.equal((await callHttp({ port: preloaded.outboundPort, authority: once[0] ?? '' })).status, 200);
      await eventually('its edge is back', async () => (await statesOf(once.slice(0, 1)))[0] === 'active');
      await asked.assertHealthy();
      await preloaded.assertHealthy();
    } finally {
      await traffic?.stop();
      await mesh.stop();
      await toys.close();
    }
  });
});
