/** Issue 3, section 5.5: nobody gets what it may not have; unknown, denied and invisible hosts look alike, answer 404 and never hang. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { eventually, type Mesh, serviceEvents, startMesh } from './harness.ts';
import type { Sidecar } from './sidecar.ts';
import { Toys } from './toys.ts';
import { startTraffic, statusOf, tally } from './traffic.ts';

const HTTP = [{ port: 80, protocol: 'http' }];

suite('unknown host', { skip: requirePart('envoy') }, () => {
  const toys = new Toys();
  let mesh: Mesh;
  let app: number;

  before(async () => {
    app = (await toys.http('app')).port;
    mesh = await startMesh();
    for (const name of ['known', 'also-known', 'closed'])
      await mesh.events(...serviceEvents(name, HTTP, [{ id: `${name}-1`, ports: { 80: app } }]));
    const secret = (visibility: unknown) => ({ namespace: 'vault', visibility });
    await mesh.events(
      ...serviceEvents('secret', HTTP, [{ id: 'secret-1', ports: { 80: app } }], secret('namespace')),
      ...serviceEvents('shared', HTTP, [{ id: 'shared-1', ports: { 80: app } }], secret(['friends', 'vault'])),
    );
  });
  after(async () => {
    await mesh?.stop();
    await toys.close();
  });

  const status = async (sidecar: Sidecar, authority: string): Promise<number> =>
    (await callHttp({ port: sidecar.outboundPort, authority })).status;

  test('500 unknown hosts, 50 at a time, beside calls to known ones: 404 for each, and no error for the others', async () => {
    const sidecar = await mesh.sidecar({ service: 'asker.default', concurrency: 2 });
    const { outboundPort: port } = sidecar;
    const known = ['known.default', 'also-known.default'].map((authority) => ({ port, authority }));
    const traffic = startTraffic(known, 5);
    await traffic.more(10);
    let next = 0;
    const ask = async (): Promise<string[]> => {
      const seen: string[] = [];
      while (next < 500) {
        const authority = `nobody-${next++}.nowhere`;
        seen.push(statusOf(await callHttp({ port, authority })));
      }
      return seen;
    };
    const answers = (await Promise.all(Array.from({ length: 50 }, ask))).flat();
    assert.deepEqual([answers.length, [...new Set(answers)]], [500, ['404']]);
    assert.equal(await status(sidecar, 'nobody-1.nowhere'), 404, 'once more');
    await traffic.more(10);
    await traffic.stop();
    assert.deepEqual(traffic.failures(), []);
    assert.deepEqual((await sidecar.holds()).clusters, ['also-known.default:80', 'known.default:80']);
    await sidecar.assertHealthy();
  });

  test('names that are no names of services: 404 for each', async () => {
    const sidecar = await mesh.sidecar({ service: 'odd.default' });
    const hosts = [
      'known.default:81',
      'known.default:0',
      'known.default:99999',
      'known.other',
      'known.default.example.org',
      'default',
      '127.0.0.1:80',
      '[::1]:80',
      'a.b.c.d.e.f',
      'KNOWN.elsewhere',
      'known.default.',
      `${'x'.repeat(63)}.${'y'.repeat(63)}`,
      'xn--bcher-kva.example',
      '__proto__.default',
      'constructor',
    ];
    for (const host of hosts) assert.equal(await status(sidecar, host), 404, host);
    assert.deepEqual((await sidecar.holds()).clusters, []);
    await sidecar.assertHealthy();
  });

  test('authorities longer than any name: 404 for each, and the sidecar goes on learning', async () => {
    const sidecar = await mesh.sidecar({ service: 'long.default' });
    assert.equal(await status(sidecar, 'known.default'), 200);
    for (const length of [250, 600, 5_000, 40_000])
      assert.equal(await status(sidecar, `${'a'.repeat(length)}.nowhere`), 404, `${length} characters`);
    assert.equal(await status(sidecar, 'also-known.default'), 200, 'its stream is still there');
    await sidecar.assertHealthy();
  });

  test('visibility wins: a service of another namespace is unknown, whoever asks or declares it', async () => {
    await mesh.docs('kind: Dependency\nmetadata: {name: spy}\nspec: {to: {secret.vault: {}, known.default: {}}}');
    const [spy, keeper, friend] = [
      await mesh.sidecar({ service: 'spy.default' }),
      await mesh.sidecar({ service: 'keeper.vault' }),
      await mesh.sidecar({ service: 'guest.friends' }),
    ];
    const statuses = async (sidecar: Sidecar): Promise<number[]> => [
      await status(sidecar, 'secret.vault'),
      await status(sidecar, 'secret.vault:80'),
      await status(sidecar, 'shared.vault.mesh.local'),
    ];
    assert.deepEqual(await statuses(spy), [404, 404, 404]);
    assert.deepEqual(await statuses(keeper), [200, 200, 200]);
    assert.deepEqual(await statuses(friend), [404, 404, 200]);
    assert.deepEqual(
      (await spy.holds()).clusters,
      ['known.default:80'],
      'declared, but only the visible one is delivered',
    );
    // It becomes visible, and goes again.
    const secret = (visibility: string): Promise<void> =>
      mesh.events(...serviceEvents('secret', HTTP, [], { namespace: 'vault', visibility }));
    await secret('mesh');
    await eventually('visible: 200', async () => (await status(spy, 'secret.vault')) === 200);
    await secret('namespace');
    await eventually('hidden: 404', async () => (await status(spy, 'secret.vault')) === 404);
    assert.deepEqual((await statuses(spy)).slice(0, 2), [404, 404]);
    assert.equal(await status(keeper, 'secret.vault'), 200);
    const held = await mesh.resources(spy);
    assert.deepEqual(
      held.filter(
        ({ type, name, state }) =>
          type === 'vhds' &&
          state !== 'removed' &&
          name.includes('secret.vault:80') &&
          !name.endsWith('/secret.vault:80'),
      ),
      [],
    );
    for (const sidecar of [spy, keeper, friend]) await sidecar.assertHealthy();
  });

  test('deny wins over declared and learned: 404, nothing delivered; withdrawn, it answers again', async () => {
    const edge = { from: 'guard.default', to: 'closed.default' };
    const [guard, other] = [
      await mesh.sidecar({ service: 'guard.default' }),
      await mesh.sidecar({ service: 'other.default' }),
    ];
    assert.equal(await status(guard, 'closed.default'), 200, 'learned');
    await mesh.events({ type: 'dependency.declared', data: edge }, { type: 'dependency.denied', data: edge });
    await eventually('denied: 404', async () => (await status(guard, 'closed.default')) === 404);
    assert.deepEqual(
      tally(
        await Promise.all(
          ['closed', 'closed:80', 'closed.default:80'].map((authority) =>
            callHttp({ port: guard.outboundPort, authority }),
          ),
        ),
        statusOf,
      ),
      { 404: 3 },
    );
    assert.deepEqual((await guard.holds()).virtualHosts, []);
    assert.equal(await status(other, 'closed.default'), 200, 'others are not concerned');
    const late = await mesh.sidecar({ service: 'guard.default', id: 'guard-late' });
    assert.equal(await status(late, 'closed.default'), 404);
    assert.deepEqual((await late.holds()).clusters, []);

    await mesh.events({ type: 'dependency.withdrawn', data: edge });
    await eventually('allowed again: 200', async () => (await status(guard, 'closed.default')) === 200);
    await eventually('for its sibling too', async () => (await status(late, 'closed.default')) === 200);
    for (const sidecar of [guard, other, late]) await sidecar.assertHealthy();
  });

  test('learn: false: only what is declared', async () => {
    await mesh.docs('kind: Dependency\nmetadata: {name: strict}\nspec: {learn: false, to: {known.default: {}}}');
    const sidecar = await mesh.sidecar({ service: 'strict.default' });
    assert.equal(await status(sidecar, 'known.default'), 200);
    assert.equal(await status(sidecar, 'also-known.default'), 404);
    assert.deepEqual((await sidecar.holds()).clusters, ['known.default:80']);
    await sidecar.assertHealthy();
  });
});
