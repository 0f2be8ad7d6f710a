/** Issue 3, section 8.5: what one sidecar of a service has learned, its siblings have before they ask. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { eventually, type Mesh, serviceEvents, startMesh } from './harness.ts';
import type { Sidecar } from './sidecar.ts';
import { Toys } from './toys.ts';

suite('sibling', { skip: requirePart('envoy') }, () => {
  const toys = new Toys();
  let mesh: Mesh;

  before(async () => {
    mesh = await startMesh();
    for (const name of ['learned', 'other'])
      await mesh.events(
        ...serviceEvents(
          name,
          [{ port: 80, protocol: 'http' }],
          [{ id: `${name}-1`, ports: { 80: (await toys.http(name)).port } }],
        ),
      );
  });
  after(async () => {
    await mesh?.stop();
    await toys.close();
  });

  const call = (sidecar: Sidecar, authority: string) => callHttp({ port: sidecar.outboundPort, authority });
  const holdsLearned = async (sidecar: Sidecar): Promise<boolean> => {
    const { virtualHosts, clusters, endpoints } = await sidecar.holds();
    return [virtualHosts, clusters, endpoints].every((names) => names.includes('learned.default:80'));
  };
  /** Messages on xDS streams, both ways, when none has come or gone for a while. Access logs are not among them. */
  const messages = async (): Promise<readonly number[]> => {
    const read = () => Promise.all(['requests', 'responses'].map((what) => mesh.metric(`tendril_xds_${what}_total`)));
    let last = await read();
    for (let same = 0; same < 5; ) {
      await new Promise((next) => setTimeout(next, 100));
      const now = await read();
      same = now.join() === last.join() ? same + 1 : 0;
      last = now;
    }
    return last;
  };
  /** The first request of this sidecar: the control plane is asked nothing, and sends nothing. */
  const assertSilentFirstRequest = async (sidecar: Sidecar): Promise<void> => {
    const before = await messages();
    const result = await call(sidecar, 'learned.default');
    assert.deepEqual([result.status, result.headers['x-backend']], [200, 'learned']);
    assert.deepEqual(await messages(), before);
    assert.deepEqual(
      (await sidecar.holds()).clusters,
      ['learned.default:80'],
      'and it holds no more than its sibling has learned',
    );
  };

  test('of a sidecar that is connected already, and of one that starts later', async () => {
    const first = await mesh.sidecar({ service: 'web.default', id: 'web-1' });
    const second = await mesh.sidecar({ service: 'web.default', id: 'web-2' });
    const stranger = await mesh.sidecar({ service: 'batch.default', id: 'batch-1' });
    await second.quiet();
    assert.equal(await holdsLearned(second), false);
    assert.equal((await call(first, 'learned.default')).status, 200);
    await eventually('the connected sibling holds it', () => holdsLearned(second));
    await assertSilentFirstRequest(second);

    // It is the first of a new version: the edges are those of the service.
    await mesh.events(
      ...serviceEvents(
        'web',
        [{ port: 80, protocol: 'http' }],
        [
          { id: 'web-v1', ports: {}, labels: { version: 'v1' } },
          { id: 'web-v2', ports: {}, labels: { version: 'v2' } },
        ],
      ),
    );
    const third = await mesh.sidecar({ service: 'web.default', id: 'web-3', endpoint: 'web-v2' });
    await eventually('the later sibling holds it', () => holdsLearned(third));
    await assertSilentFirstRequest(third);

    assert.equal(await holdsLearned(stranger), false, 'another service gets none of it');
    for (const sidecar of [first, second, third, stranger]) await sidecar.assertHealthy();
  });

  test('the control: a service that nobody has called is asked for', async () => {
    const sidecar = await mesh.sidecar({ service: 'solo.default', id: 'solo-1' });
    const [requests = 0, responses = 0] = await messages();
    assert.equal((await call(sidecar, 'other.default')).status, 200);
    const [asked = 0, answered = 0] = await messages();
    assert.ok(asked > requests && answered > responses);
    await sidecar.assertHealthy();
  });
});
