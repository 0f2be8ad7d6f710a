/** Issue 3, section 8.3: what policies and endpoints do to real requests. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { HttpBackend } from '../support/backends.ts';
import { type CallResult, callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { endpointEvent, eventually, healthEvent, type Mesh, serviceEvents, startMesh } from './harness.ts';
import type { Sidecar } from './sidecar.ts';
import { Toys } from './toys.ts';
import { backendOf, callMany, statusOf, tally } from './traffic.ts';

/** Of `n` picks with chance `p` this many at most and at least, within three standard deviations. */
const withinThreeSigma = (hits: number, n: number, p: number): boolean =>
  Math.abs(hits - n * p) <= 3 * Math.sqrt(n * p * (1 - p));

/** How long an ejected endpoint of the suite stays away. */
const SHORT_EJECTION_MS = 20_000;

suite('traffic policy', { skip: requirePart('envoy') }, () => {
  const toys = new Toys();
  let mesh: Mesh;
  /** Of the test that comes back to it at the end. */
  let ejected: { readonly sidecar: Sidecar; readonly bad: HttpBackend; readonly at: number };

  before(async () => {
    mesh = await startMesh();
  });
  after(async () => {
    await mesh?.stop();
    await toys.close();
  });

  interface Instance {
    readonly id: string;
    readonly labels?: Readonly<Record<string, string>>;
  }

  /** A service on port 80 with these instances, and a sidecar of a caller of its own. */
  const start = async (
    name: string,
    instances: readonly Instance[],
  ): Promise<{
    sidecar: Sidecar;
    apps: HttpBackend[];
    call: (path?: string, headers?: Record<string, string>) => Promise<CallResult>;
  }> => {
    const apps: HttpBackend[] = [];
    for (const { id } of instances) apps.push(await toys.http(id));
    await mesh.events(
      ...serviceEvents(
        name,
        [{ port: 80, protocol: 'http' }],
        instances.map((instance, index) => ({ ...instance, ports: { 80: apps[index]?.port ?? 0 } })),
      ),
    );
    const sidecar = await mesh.sidecar({ service: `caller-of-${name}.default` });
    const call = (path = '/', headers: Record<string, string> = {}): Promise<CallResult> =>
      callHttp({ port: sidecar.outboundPort, authority: `${name}.default`, path, headers });
    assert.equal((await call()).status, 200);
    return { sidecar, apps, call };
  };
  const many = (sidecar: Sidecar, name: string, count: number, parallel?: number): Promise<readonly CallResult[]> =>
    callMany({ port: sidecar.outboundPort, authority: `${name}.default` }, count, parallel);
  const only = (backend: string, count: number): Record<string, number> => ({ [backend]: count });

  test('outlier: of three instances the one with ten 5xx in a row is out for ejectTime', async () => {
    const spec = (name: string, ejectTime: string): string => `
kind: Upstream
metadata: {name: ${name}}
spec:
  lb: {roundRobin: {}}
  outlier: {consecutive5xx: 10, consecutiveGateway: 0, ejectTime: ${ejectTime}, interval: 500ms}`;
    await mesh.docs(`${spec('outlier', '15m')}\n---\n${spec('brief', '20s')}`);
    const instances = (name: string): Instance[] => ['a', 'b', 'c'].map((letter) => ({ id: `${name}-${letter}` }));
    const eject = async (name: string): Promise<{ sidecar: Sidecar; bad: HttpBackend }> => {
      const { sidecar, apps } = await start(name, instances(name));
      const [bad] = apps;
      assert.ok(bad !== undefined);
      bad.fail(500);
      const hitsBefore = bad.hits();
      // One after the other and round robin: the tenth in a row at this instance ejects it.
      const results = await many(sidecar, name, 27, 1);
      assert.deepEqual(tally(results, statusOf), { 200: 18, 500: 9 });
      assert.deepEqual(
        (await sidecar.hosts(`${name}.default:80`)).filter((host) => host.ejected),
        [],
        'nine are not ten',
      );
      await many(sidecar, name, 3, 1);
      assert.equal(bad.hits() - hitsBefore, 10);
      const out = (): Promise<boolean> =>
        sidecar
          .hosts(`${name}.default:80`)
          .then((hosts) => hosts.some((host) => host.ejected && host.port === bad.port));
      await eventually('failed_outlier_check', out);
      assert.deepEqual(tally(await many(sidecar, name, 60), statusOf), { 200: 60 }, 'nobody meets the bad one');
      assert.equal(bad.hits() - hitsBefore, 10);
      return { sidecar, bad };
    };
    const brief = await eject('brief');
    ejected = { ...brief, at: Date.now() };
    const long = await eject('outlier');
    const outlier = (await long.sidecar.clusterConfig('outlier.default:80'))?.outlier_detection as Record<
      string,
      unknown
    >;
    assert.deepEqual(
      [outlier.consecutive_5xx, outlier.base_ejection_time, outlier.max_ejection_time, outlier.max_ejection_percent],
      [10, '900s', '900s', 70],
    );
    assert.equal((await long.sidecar.hosts('outlier.default:80')).filter((host) => host.ejected).length, 1);
    await long.sidecar.assertHealthy();
  });

  test('an endpoint that moves: requests follow it, none fails', async () => {
    const { sidecar, apps, call } = await start('mover', [{ id: 'mover-old' }]);
    const target = await toys.http('mover-new');
    await mesh.events(endpointEvent('mover', { id: 'mover-old', ports: { 80: target.port } }));
    await eventually('the new place answers', async () => backendOf(await call()) === 'mover-new');
    const before = apps[0]?.hits();
    assert.deepEqual(tally(await many(sidecar, 'mover', 40), backendOf), only('mover-new', 40));
    assert.equal(apps[0]?.hits(), before);
    await sidecar.assertHealthy();
  });

  test('an unhealthy endpoint gets nothing, and gets its share again when it is healthy', async () => {
    const { sidecar, apps } = await start('sick', [{ id: 'sick-a' }, { id: 'sick-b' }]);
    const cluster = 'sick.default:80';
    const inState = (health: string) => async (): Promise<boolean> =>
      (await sidecar.hosts(cluster)).some(({ port, edsHealth }) => port === apps[0]?.port && edsHealth === health);
    await mesh.events(healthEvent('sick', 'sick-a', 'unhealthy'));
    await eventually('unhealthy in Envoy', inState('UNHEALTHY'));
    assert.deepEqual(tally(await many(sidecar, 'sick', 60), backendOf), only('sick-b', 60));
    await mesh.events(healthEvent('sick', 'sick-a', 'healthy'));
    await eventually('healthy in Envoy', inState('HEALTHY'));
    assert.equal(Object.keys(tally(await many(sidecar, 'sick', 60), backendOf)).length, 2);
    await sidecar.assertHealthy();
  });

  test('a draining endpoint finishes what it has and gets nothing new', async () => {
    const { sidecar, apps, call } = await start('drain', [{ id: 'drain-a' }, { id: 'drain-b' }]);
    const [a] = apps;
    assert.ok(a !== undefined);
    const before = a.hits();
    const running = Array.from({ length: 12 }, () => call('/?delay=2500'));
    await eventually('requests run at both', () => a.hits() > before && (apps[1]?.hits() ?? 0) > 0);
    // All twelve have arrived somewhere: what reaches a from now on is new.
    await eventually('all have arrived', () => a.hits() + (apps[1]?.hits() ?? 0) >= 13);
    await mesh.events(healthEvent('drain', 'drain-a', 'draining'));
    await eventually('draining in Envoy', async () =>
      (await sidecar.hosts('drain.default:80')).some(({ edsHealth }) => edsHealth === 'DRAINING'),
    );
    // What the admin port shows is the main thread's; the worker has it a moment later.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const atDrain = a.hits();
    assert.deepEqual(tally(await many(sidecar, 'drain', 60), backendOf), only('drain-b', 60));
    assert.equal(a.hits(), atDrain, 'nothing new');
    const finished = await Promise.all(running);
    assert.deepEqual(tally(finished, statusOf), { 200: 12 });
    assert.equal(tally(finished, backendOf)['drain-a'], atDrain - before, 'the running ones finished where they were');
    await sidecar.assertHealthy();
  });

  test('canary: 5 %, then 80 %, within three sigma', async () => {
    const { sidecar } = await start('canary', [
      { id: 'canary-v1', labels: { version: 'v1' } },
      { id: 'canary-v2', labels: { version: 'v2' } },
    ]);
    await mesh.docs(`
kind: Upstream
metadata: {name: canary}
spec: {subsets: {v1: {labels: {version: v1}}, v2: {labels: {version: v2}}}}
---
kind: Route
metadata: {name: canary}
spec: {to: {v1: {weight: 95}, v2: {weight: 5}}}`);
    const share = async (p: number): Promise<void> => {
      // One true share in 370 lies outside three sigma: then a second, larger sample decides.
      for (const [n, last] of [
        [1_000, false],
        [2_000, true],
      ] as const) {
        const counts = tally(await many(sidecar, 'canary', n), backendOf);
        const hits = counts['canary-v2'] ?? 0;
        assert.equal((counts['canary-v1'] ?? 0) + hits, n);
        if (withinThreeSigma(hits, n, p)) return;
        assert.ok(!last, `${hits} of ${n} requests reached v2, ${p * 100} % were wanted`);
      }
    };
    const holds = async (cluster: string): Promise<boolean> => (await sidecar.holds()).clusters.includes(cluster);
    await eventually('the subsets are there', () => holds('canary.default:80/v2'));
    await share(0.05);
    const patch = [
      { op: 'test', path: '/spec/to/v2/weight', value: 5 },
      { op: 'replace', path: '/spec/to/v1/weight', value: 20 },
      { op: 'replace', path: '/spec/to/v2/weight', value: 80 },
    ];
    const patched = await mesh.request('PATCH', '/v1/docs/Route/default/canary?wait=applied&timeout=60s', patch, {
      contentType: 'application/json-patch+json',
    });
    assert.equal(patched.status, 200, JSON.stringify(patched.body));
    await sidecar.quiet();
    await share(0.8);
    assert.ok(!(await holds('canary.default:80')), 'nothing routes to the whole service any more');
    await sidecar.assertHealthy();
  });

  test('a header chooses the subset; a subset without endpoints is 503 at once', async () => {
    const { sidecar, call } = await start('header', [
      { id: 'header-v1', labels: { version: 'v1' } },
      { id: 'header-v2', labels: { version: 'v2' } },
    ]);
    await mesh.docs(`
kind: Upstream
metadata: {name: header}
spec:
  subsets:
    v1: {labels: {version: v1}}
    v2: {labels: {version: v2}}
    v9: {labels: {version: v9}}
---
kind: Route
metadata: {name: header}
spec:
  to: {v1: {}}
  rules:
    jason: {match: {headers: {end-user: jason}}, to: {v2: {}}}
    empty: {match: {path: {prefix: /empty}}, to: {v9: {}}}`);
    await eventually('the rules are there', async () => (await call('/empty')).status === 503);
    for (let round = 0; round < 10; round++) {
      assert.equal(backendOf(await call()), 'header-v1');
      assert.equal(backendOf(await call('/', { 'end-user': 'jason' })), 'header-v2');
      assert.equal(backendOf(await call('/', { 'end-user': 'jasmine' })), 'header-v1');
    }
    for (let round = 0; round < 3; round++) {
      const result = await call('/empty/x');
      assert.equal(result.status, 503);
      assert.match(result.body, /no healthy upstream/);
      assert.ok(result.ms < 2_000, 'not after the time-out for unknown clusters');
    }
    await sidecar.assertHealthy();
  });

  test('retry: another endpoint takes over; time-out: 504 and no longer', async () => {
    const { sidecar, apps, call } = await start('retry', [{ id: 'retry-bad' }, { id: 'retry-good' }]);
    apps[0]?.fail(503);
    const without = tally(await many(sidecar, 'retry', 40), statusOf);
    assert.ok((without[503] ?? 0) > 0, 'without a policy the bad one is met');
    // A retry picks an endpoint up to three times (policies.md, `retry.attempts`). By turns, the second pick is always the other one;
    // by least requests all may be the bad one, which has the fewest as it fails at once.
    await mesh.docs(`
kind: Upstream
metadata: {name: retry}
spec:
  lb: {roundRobin: {}}
---
kind: Route
metadata: {name: retry}
spec:
  retry: {attempts: 3, when: {gateway: true}}
  rules:
    slow: {match: {path: {prefix: /slow}}, timeout: 300ms}`);
    await sidecar.quiet();
    // Three retries may always run at once (the budget of Upstream `limits`).
    assert.deepEqual(tally(await many(sidecar, 'retry', 60, 3), statusOf), { 200: 60 });
    assert.equal(await sidecar.stat(/^cluster\.retry\.default_80\.upstream_rq_retry_overflow$/), 0);
    assert.ok((await sidecar.stat(/^cluster\.retry\.default_80\.upstream_rq_retry_success$/)) > 0);
    apps[0]?.fail(undefined);
    const late = await call('/slow?delay=3000');
    assert.deepEqual([late.status, late.ms < 2_500], [504, true]);
    assert.equal((await call('/slow?delay=20')).status, 200);
    assert.equal((await call('/?delay=600')).status, 200, 'only this rule has a time-out');
    await sidecar.assertHealthy();
  });

  test('the ejected instance of 20 s comes back', async () => {
    const { sidecar, bad, at } = ejected;
    bad.fail(undefined);
    const isOut = async (): Promise<boolean> => (await sidecar.hosts('brief.default:80')).some((host) => host.ejected);
    if (Date.now() - at < SHORT_EJECTION_MS - 1_000) assert.ok(await isOut(), 'still out before its time');
    await eventually('the ejection ends', async () => !(await isOut()), SHORT_EJECTION_MS + 5_000);
    assert.ok(Date.now() - at >= SHORT_EJECTION_MS - 1_000);
    assert.deepEqual(tally(await many(sidecar, 'brief', 60, 1), backendOf), {
      'brief-a': 20,
      'brief-b': 20,
      'brief-c': 20,
    });
    await sidecar.assertHealthy();
  });
});
