/**
 * Issue 5, section 2.3: a new pod has its service's active edges before its first request: those used by two pods or more, or the latest
 * 100; also as the first of a new version of its service. Over the real projector, read model and streams.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createAdsServer } from '../../src/delta-xds/index.ts';
import { CDS, EDS, VHDS } from '../../src/proto/index.ts';
import { MeshSource } from '../../src/runtime/mesh-source.ts';
import { feed, openModel, type System, tempDir, withSystem } from '../projector/harness.ts';
import { endpoint, event, observed, registered } from '../projector/mesh-events.ts';
import { WholeClient } from '../support/whole-client.ts';

const serve = async (t: TestContext, dir: string): Promise<{ readonly port: number; wake(): Promise<unknown> }> => {
  const model = await openModel(dir);
  const server = createAdsServer({
    source: new MeshSource(model),
    transport: 'http2',
    clock: () => performance.now(),
    now: Date.now,
    random: Math.random,
    logger: { info: () => undefined, warn: () => undefined },
    identifier: 'tendril/test/0',
  });
  const { port } = await server.listen('127.0.0.1', 0);
  t.after(async () => {
    await server.close();
    await model.close();
  });
  return { port, wake: () => server.wake() };
};

const pod = (t: TestContext, port: number, id: string, labels?: Readonly<Record<string, string>>): WholeClient => {
  const client = new WholeClient({ port, id, service: 'web.shop', ...(labels === undefined ? {} : { labels }) });
  t.after(() => client.disconnect());
  client.connect();
  return client;
};

/** Service ports that it can call at once; it has asked for none. */
const warm = (client: WholeClient): string[] =>
  [...client.held(CDS).keys()]
    .filter((name) => client.held(EDS).has(name) && client.held(VHDS).has(`outbound/${name}`))
    .sort();

const target = (index: number): string => `svc-${String(index).padStart(3, '0')}.shop:80`;
const targets = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, at) => target(from + at));

const register = async (system: System, count: number): Promise<void> => {
  for (let index = 0; index < count; index++) {
    const name = target(index).split('.')[0] ?? '';
    await feed(system, registered(name), endpoint(name, `${name}-1`));
  }
};

test('the latest 100, and whatever two pods have used; others are asked for', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    await register(system, 110);
    // The first five once more by another pod, then all by the first one: the five are the oldest.
    for (const name of targets(0, 5)) await feed(system, observed('web.shop', name, 'sidecar:web-2'));
    for (const name of targets(0, 110)) await feed(system, observed('web.shop', name, 'sidecar:web-1'));
    const { port } = await serve(t, dir);
    const fresh = pod(t, port, 'web-3');
    await fresh.until(() => warm(fresh).length === 105);
    assert.deepEqual(warm(fresh), [...targets(0, 5), ...targets(10, 110)]);
  });
});

test('an edge that has expired or lost its service does not come; when it is used again it does', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    await register(system, 4);
    for (const name of targets(0, 4)) await feed(system, observed('web.shop', name, 'sidecar:web-1'));
    await feed(
      system,
      event('dependency.expired', { from: 'web.shop', to: target(1) }),
      event('service.deregistered', { namespace: 'shop', name: 'svc-002' }),
    );
    const { port, wake } = await serve(t, dir);
    const fresh = pod(t, port, 'web-2');
    await fresh.until(() => warm(fresh).length === 2);
    assert.deepEqual(warm(fresh), [target(0), target(3)]);
    await feed(system, observed('web.shop', target(1), 'sidecar:web-1'), registered('svc-002'));
    await wake();
    await fresh.until(() => warm(fresh).length === 4);
    assert.deepEqual(fresh.stats.removed, []);
  });
});

test('the first pod of a new version has the edges of its service; a pod of another service has none', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    await register(system, 3);
    await feed(system, registered('web'), endpoint('web', 'web-1', { labels: { version: 'v1' } }));
    for (const name of targets(0, 3)) await feed(system, observed('web.shop', name, 'sidecar:web-1'));
    await feed(system, endpoint('web', 'web-2', { labels: { version: 'v2' } }));
    const { port } = await serve(t, dir);
    const next = pod(t, port, 'web-2', { version: 'v2' });
    await next.until(() => warm(next).length === 3);
    assert.deepEqual(warm(next), targets(0, 3));
    const other = new WholeClient({ port, id: 'batch-1', service: 'batch.shop' });
    t.after(() => other.disconnect());
    other.connect();
    await other.until(() => other.held('type.googleapis.com/envoy.config.route.v3.RouteConfiguration').size === 1);
    assert.deepEqual([...other.held(CDS).keys()], []);
  });
});
