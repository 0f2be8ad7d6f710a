/** Issue 3, section 8.1: a sidecar holds the services that it has called, and no others; `why` tells the reason for each. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { callGrpc } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { freePort } from '../support/ports.ts';
import { repositoryRoot } from '../support/root.ts';
import { eventually, type Mesh, serviceEvents, startMesh } from './harness.ts';
import type { Sidecar } from './sidecar.ts';
import { Toys } from './toys.ts';

interface Shop {
  readonly services: readonly {
    readonly name: string;
    readonly port: number | null;
    readonly protocol: string | null;
  }[];
}

/** Online Boutique. Its load generator only calls; here it has a port like the others, so that twelve services can be called. */
const boutique = (): { readonly name: string; readonly port: number; readonly protocol: string }[] => {
  const file = join(repositoryRoot, 'examples/online-boutique/mesh.json');
  const { services } = JSON.parse(readFileSync(file, 'utf8')) as Shop;
  return services.map(({ name, port, protocol }) => ({ name, port: port ?? 8089, protocol: protocol ?? 'http' }));
};

const CALLED = ['cartservice.default:7070', 'currencyservice.default:7000', 'productcatalogservice.default:3550'];

interface Why {
  readonly because: string;
  readonly edges: readonly { from: string; to: string; port?: number; origin: string; firstOffset?: number }[];
  readonly builtFrom: readonly { of: string; offset: number; source: string; recordedAt: string }[];
  readonly delivery?: { readonly state: string; readonly version?: string };
  readonly summary: string;
}

const why = async (mesh: Mesh, sidecar: Sidecar, type: string, name: string) => {
  const query = new URLSearchParams({ type, name });
  const answer = await mesh.request('GET', `/v1/proxies/${encodeURIComponent(sidecar.id)}/why?${query}`);
  return { status: answer.status, body: answer.body as unknown as Why };
};

suite('on demand', { skip: requirePart('envoy') }, () => {
  test('of twelve services a sidecar holds the three it has called, and why names edge, documents and events', async () => {
    const toys = new Toys();
    const mesh = await startMesh();
    try {
      const services = boutique();
      assert.equal(services.length, 12);
      const app = await toys.grpc('shop');
      const inboundPort = await freePort();
      for (const { name, port, protocol } of services)
        await mesh.events(
          ...serviceEvents(
            name,
            [{ port, protocol }],
            [
              {
                id: `${name}-1`,
                ports: { [port]: app.port },
                ...(name === 'frontend' ? { inbound: { [port]: inboundPort } } : {}),
              },
            ],
          ),
        );
      await mesh.docs('kind: Route\nmetadata: {name: currencyservice}\nspec: {timeout: 2s}');
      const sidecar = await mesh.sidecar({ service: 'frontend.default', endpoint: 'frontend-1', inboundPort });
      const base = {
        clusters: ['inbound:80'],
        warmingClusters: [],
        listeners: ['inbound/80', 'outbound'],
        routes: ['inbound:80', 'outbound'],
        virtualHosts: ['inbound:80'],
        endpoints: ['inbound:80'],
      };
      await eventually('the base resources are there', async () => (await sidecar.holds()).listeners.length === 2);
      assert.deepEqual(await sidecar.holds(), base);

      for (const servicePort of CALLED) {
        const answer = await callGrpc({ port: sidecar.outboundPort, authority: servicePort, message: 'x' });
        assert.deepEqual([answer.code, answer.message], [0, 'shop:x'], `${servicePort}: ${answer.details}`);
      }
      const wanted = {
        ...base,
        clusters: [...CALLED, ...base.clusters].sort(),
        virtualHosts: [...CALLED, ...base.virtualHosts].sort(),
        endpoints: [...CALLED, ...base.endpoints].sort(),
      };
      assert.deepEqual(await sidecar.holds(), wanted);
      await sidecar.quiet();
      assert.deepEqual(await sidecar.holds(), wanted, 'and nothing came after');

      const listed = (await mesh.resources(sidecar)).filter(({ state }) => state !== 'removed');
      assert.deepEqual(
        listed.filter(({ type }) => type === 'cds').map(({ name }) => name),
        wanted.clusters,
        'the control plane says the same',
      );
      for (const servicePort of CALLED) {
        const [service = ''] = servicePort.split(':');
        for (const [type, name] of [
          ['cds', servicePort],
          ['eds', servicePort],
          ['vhds', `outbound/${servicePort}`],
        ] as const) {
          // The event that records the learned edge follows behind the answer.
          await eventually(
            `${type} ${name} has an edge`,
            async () => (await why(mesh, sidecar, type, name)).body.because === 'edge',
          );
          const { status, body } = await why(mesh, sidecar, type, name);
          assert.equal(status, 200);
          const [edge] = body.edges;
          assert.deepEqual(
            [body.edges.length, edge?.from, edge?.to, `${edge?.to}:${edge?.port}`, edge?.origin],
            [1, 'frontend.default', service, servicePort, 'learned'],
          );
          assert.ok((edge?.firstOffset ?? 0) > 0, 'the event that taught the edge');
          const [first, ...documents] = body.builtFrom;
          assert.equal(first?.of, service, 'the event that registered the service');
          assert.ok((first?.offset ?? 0) > 0 && first?.source !== '');
          assert.deepEqual(
            documents.map(({ of }) => of),
            service === 'currencyservice.default' ? ['Route/default/currencyservice'] : [],
          );
          assert.equal(body.delivery?.state, 'acked');
          assert.match(
            body.summary,
            new RegExp(`learned edge frontend\\.default -> ${servicePort.replaceAll('.', '\\.')}`),
          );
        }
      }
      assert.equal(
        (await why(mesh, sidecar, 'cds', 'adservice.default:9555')).status,
        404,
        'no reason for what it does not hold',
      );
      await sidecar.assertHealthy();
    } finally {
      await mesh.stop();
      await toys.close();
    }
  });
});
