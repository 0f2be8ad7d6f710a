/**
 * Issue 7, 1.6: `tendril agent` beside an application, and a real Envoy that knows nothing but the agent. The control plane dies, then
 * the agent and the Envoy die too and start again: the Envoy has its last good configuration, no request to a service it knew fails, and
 * when the control plane is back nothing held is sent again.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { AgentStatus, RelayStatus } from '../../src/agent/index.ts';
import { here } from '../cli/support/here.ts';
import { cleanUp, type Going, start, temporaryFolder } from '../cli/support/tendril.ts';
import { callHttp } from '../support/clients.ts';
import { startEnvoy } from '../support/envoy.ts';
import { requirePart } from '../support/parts.ts';
import { freePort } from '../support/ports.ts';
import { eventually, serviceEvents, startMesh } from './harness.ts';
import { type Sidecar, sidecarOf } from './sidecar.ts';
import { Toys } from './toys.ts';
import { startTraffic, type Traffic } from './traffic.ts';

const APPLICATION = fileURLToPath(new URL('../agent/application-child.js', import.meta.url));
const OTHERS = ['known-a', 'known-b'];
/** The application itself too: through its Envoy's inbound listener. */
const KNOWN = [...OTHERS, 'app'];
/** `streamIdleTimeout` of our listeners: the limit of a request that waits for its virtual host. */
const PARKED_MS = 10_000;
/** Nothing takes that long. */
const PATIENCE_MS = 60_000;
const ID = 'sidecar~app-1~app.default';

type Status = AgentStatus & { readonly relay: RelayStatus };

suite('agent', { skip: requirePart('envoy') }, () => {
  after(cleanUp);

  test('an Envoy restarted beside its agent without a control plane serves what it knew; the control plane comes back', async (context) => {
    const toys = new Toys();
    const folder = temporaryFolder();
    const mesh = await startMesh({ log: 'lmdb', child: true });
    const { admin, xds } = mesh.server;
    const [applicationPort, inboundPort, outboundPort] = [await freePort(), await freePort(), await freePort()];
    const call = (name: string, path = '/') => callHttp({ port: outboundPort, authority: `${name}.default`, path });

    let agent: Going | undefined;
    let localXds = '127.0.0.1:0';
    let statusUrl = '';
    const startAgent = async (command: readonly string[]): Promise<Going> => {
      const going = start([
        ...['agent', '--service', 'app.default', '--endpoint', 'app-1', '--address', '127.0.0.1'],
        ...['--port', `80=${applicationPort}`, '--inbound', `80=${inboundPort}`],
        ...['--ready', `http://127.0.0.1:${applicationPort}/`, '--admin', `http://127.0.0.1:${admin.port}`],
        ...['--listen-xds', localXds, '--xds', `127.0.0.1:${xds.port}`, '--cache', folder],
        ...['--status', '127.0.0.1:0', '--grace', '10ms', ...command],
      ]);
      agent = going;
      [, localXds = ''] = await going.says(/xDS for its Envoy at (\S+),/);
      [, statusUrl = ''] = await going.says(/status: (\S+)/);
      return going;
    };
    const status = async (): Promise<Status> => (await (await fetch(statusUrl)).json()) as Status;

    let sidecar: Sidecar | undefined;
    const startEnvoyBeside = async (): Promise<Sidecar> => {
      const { out, err } = await here(
        [
          ...['bootstrap', 'envoy', '--service', 'app.default', '--endpoint', 'app-1', '--xds', localXds],
          ...['--admin-port', '0', '--outbound-port', `${outboundPort}`, '--inbound-port', `${inboundPort}`],
        ],
        { server: '' },
      );
      assert.equal(err, '');
      sidecar = sidecarOf(ID, outboundPort, await startEnvoy({ bootstrap: JSON.parse(out) }));
      return sidecar;
    };
    let running: Traffic | undefined;
    const traffic = (): Traffic => {
      running = startTraffic(KNOWN.map((name) => ({ port: outboundPort, authority: `${name}.default` })));
      return running;
    };
    let applicationPid: number | undefined;
    try {
      await mesh.events(...serviceEvents('app', [{ port: 80, protocol: 'http' }], []));
      for (const name of [...OTHERS, 'fresh']) {
        const ports = { 80: (await toys.http(name)).port };
        await mesh.events(...serviceEvents(name, [{ port: 80, protocol: 'http' }], [{ id: `${name}-1`, ports }]));
      }
      let going = await startAgent([
        ...['--', process.execPath, APPLICATION],
        ...[`${applicationPort}`, `${folder}/lives`, '0'],
      ]);
      applicationPid = Number((await going.says(/application is started \(pid ([0-9]+)\)/))[1]);
      let envoy = await startEnvoyBeside();
      await envoy.envoy.live();
      await going.says(/endpoint app-1 of app\.default at 127\.0\.0\.1 is registered, healthy/);
      for (const name of OTHERS) assert.equal((await call(name)).status, 200);
      await eventually('the application is called', async () => (await call('app')).body === 'life 1');
      await envoy.quiet();
      await envoy.assertHealthy();
      const { relay } = await status();
      assert.deepEqual(
        relay.envoys.map(({ node, state, local, refused }) => [node, state, local, refused]),
        [[ID, 'up', 0, 0]],
      );
      assert.deepEqual(
        relay.lastGood.map(({ node, ageMs }) => [node, ageMs]),
        [[ID, 0]],
      );

      let flow = traffic();
      await flow.more(20);
      await mesh.server.killAll();
      await flow.more(30);
      await going.says(/control plane lost/);
      await flow.stop();
      assert.deepEqual(flow.failures(), [], 'the control plane dies');

      // The agent too, so that only what is on disk is left; the application goes on without it.
      await envoy.envoy.kill();
      // Not its end of output: the application has that too.
      const dead = once(going.child, 'exit');
      going.child.kill('SIGKILL');
      await dead;
      going = await startAgent([]);
      const since = performance.now();
      envoy = await startEnvoyBeside();
      await eventually('the listener is up', async () => (await call('known-a').catch(() => undefined)) !== undefined);
      console.log(`# restart without a control plane: first answer after ${Math.round(performance.now() - since)} ms`);
      flow = traffic();
      await flow.more(50);
      await envoy.assertHealthy();
      await going.says(
        new RegExp(`no control plane: ${ID} is served its last good configuration of [0-9]+ (?:s|min) ago`),
      );
      const alone = (await status()).relay;
      assert.equal(alone.controlPlane, undefined);
      assert.ok((alone.lastGood[0]?.ageMs ?? 0) > 0, JSON.stringify(alone.lastGood));
      // It waits for as long as the control plane takes to start.
      const parked = callHttp({ port: outboundPort, authority: 'fresh.default', path: '/', timeoutMs: PATIENCE_MS });
      parked.catch(() => undefined);

      const held = await envoy.holds();
      await mesh.start();
      const answered = await parked;
      // On a busy machine Envoy's own limit may come before the control plane: then the next question is answered.
      if (answered.status === 504 && answered.ms >= PARKED_MS) {
        context.diagnostic(`the parked question met Envoy's own limit after ${Math.round(answered.ms)} ms`);
        assert.equal((await call('fresh')).status, 200);
      } else assert.equal(answered.status, 200, `a host asked for meanwhile: ${answered.body}`);
      await eventually('messages pass', async () => (await status()).relay.envoys[0]?.state === 'up');
      await going.says(/is registered, healthy/);
      await envoy.quiet();
      const [row] = (await status()).relay.envoys;
      // Cluster, assignment and virtual host of the new service.
      assert.equal(row?.relayedResources, 3, 'nothing that it holds is sent again');
      assert.deepEqual(
        (await envoy.holds()).virtualHosts.filter((name) => !held.virtualHosts.includes(name)),
        ['fresh.default:80'],
      );
      await mesh.docs('kind: Route\nmetadata: {name: known-b}\nspec: {timeout: 300ms}');
      await eventually(
        'a change arrives',
        async () =>
          (await callHttp({ port: outboundPort, authority: 'known-b.default', path: '/?delay=1500' })).status === 504,
      );
      await flow.more(20);
      await flow.stop();
      assert.deepEqual(flow.failures(), []);
      await envoy.assertHealthy();

      going.child.kill('SIGTERM');
      const ended = await going.ended;
      assert.match(ended.err, /no sidecar holds it any more/);
      const { body } = await mesh.request('GET', '/v1/services/default/app');
      assert.deepEqual(body.endpoints, [], 'the endpoint is withdrawn');
    } finally {
      await running?.stop();
      await sidecar?.stop();
      agent?.child.kill('SIGKILL');
      if (applicationPid !== undefined) process.kill(applicationPid, 'SIGKILL');
      await mesh.stop();
      await toys.close();
    }
  });
});
