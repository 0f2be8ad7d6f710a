/** The agent with a real application and a real control plane (docs/agent.md, "The agent"). */
import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Agent, type AgentOptions, DEFAULT_RESTARTS, startAgent } from '../../src/agent/index.ts';
import { parseProbe } from '../../src/sidecar-client/index.ts';
import { cleanUp, start, temporaryFolder, until } from '../cli/support/tendril.ts';
import { type ServerHere, serveHere } from '../delta-xds/support/serve-here.ts';
import { freePort } from '../support/ports.ts';

after(cleanUp);

const CHILD = fileURLToPath(new URL('./application-child.js', import.meta.url));

const api = ({ server }: ServerHere): string => `http://127.0.0.1:${server.admin.port}`;

/** Health of the endpoint; undefined: it is not there. */
const healthOf = async (here: ServerHere): Promise<string | undefined> => {
  const answer = await fetch(`${api(here)}/v1/services/shop/svc-0`);
  const { endpoints } = (await answer.json()) as {
    readonly endpoints: readonly { readonly id: string; readonly health: string }[];
  };
  return endpoints.find(({ id }) => id === 'here')?.health;
};

interface Run {
  readonly agent: Agent;
  readonly port: number;
  readonly said: string[];
  /** Lets the application behave so. */
  behave(word: string): void;
  says(pattern: RegExp): Promise<true>;
}

const run = async (
  t: TestContext,
  here: ServerHere,
  crashes: number,
  more: Partial<AgentOptions> = {},
): Promise<Run> => {
  const port = await freePort();
  const file = join(temporaryFolder(), 'behaviour');
  writeFileSync(file, '');
  const said: string[] = [];
  const probe = parseProbe(`http://127.0.0.1:${port}/`);
  const agent = startAgent({
    registration: {
      admin: [api(here)],
      service: 'svc-0',
      namespace: 'shop',
      port: { 80: port },
      endpoint: 'here',
      leaseMs: 3_000,
    },
    ready: probe,
    intervalMs: 100,
    timeoutMs: 300,
    command: [process.execPath, CHILD, String(port), file, String(crashes)],
    restarts: { ...DEFAULT_RESTARTS, baseMs: 20, maxMs: 50 },
    graceMs: 0,
    killMs: 2_000,
    say: ({ code, text }) => said.push(`${code ?? ''} ${text}`),
    ...more,
  });
  // At once, also when the test has failed in the middle: an application that is only killed would be started again.
  t.after(() => {
    agent.stop();
    agent.stop();
  });
  return {
    agent,
    port,
    said,
    behave: (word) => appendFileSync(file, `${word}\n`),
    says: (pattern) =>
      until(
        () => (said.some((line) => pattern.test(line)) ? true : undefined),
        () => `${pattern} in:\n${said.join('\n')}`,
      ),
  };
};

const isUp = async (here: ServerHere): Promise<true | undefined> =>
  (await healthOf(here)) === 'healthy' ? true : undefined;

test('an application that crashes twice is started again and registered; not ready: out, and not restarted; hanging: restarted', async (t) => {
  const here = await serveHere(t, 1);
  const { agent, said, behave, says, port } = await run(t, here, 2);
  await until(
    () => isUp(here),
    () => said.join('\n'),
  );
  assert.equal(agent.status().application.restarts, 2);
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'life 3');
  assert.equal(said.filter((line) => /ended: exit code 7; starting it again/.test(line)).length, 2);
  behave('ill');
  await says(/registered, unhealthy/);
  assert.equal(await healthOf(here), 'unhealthy');
  behave('well');
  await until(
    () => isUp(here),
    () => said.join('\n'),
  );
  assert.equal(agent.status().application.restarts, 2, 'readiness restarts nobody');
  agent.stop();
  assert.equal(await agent.ended, 5, said.join('\n'));
  assert.equal(await healthOf(here), undefined);
  await says(/^ the endpoint is withdrawn, and no sidecar holds it any more/);
});

test('liveness: an application that hangs is killed when it does not listen, and started again', async (t) => {
  const here = await serveHere(t, 1);
  const port = await freePort();
  const file = join(temporaryFolder(), 'behaviour');
  writeFileSync(file, '');
  const { agent, said, says } = await run(t, here, 0, {
    ready: parseProbe(`tcp://127.0.0.1:${port}`),
    live: parseProbe(`http://127.0.0.1:${port}/`),
    killMs: 100,
    command: [process.execPath, CHILD, String(port), file, '0'],
  });
  await until(
    () => isUp(here),
    () => said.join('\n'),
  );
  await until(
    () => (agent.status().application.live?.is === 'up' ? true : undefined),
    () => said.join('\n'),
  );
  appendFileSync(file, 'deaf\nhangs\n');
  await says(/does not live: .*no answer within 300 ms; it is ended/);
  await until(
    () => (agent.status().application.restarts === 1 ? true : undefined),
    () => said.join('\n'),
  );
  await until(
    () => isUp(here),
    () => said.join('\n'),
  );
  agent.stop();
  assert.equal(await agent.ended, 5, said.join('\n'));
});

test('never ready: said with the reason, not registered, exit code 1; too many ends: the endpoint goes, exit code 1', async (t) => {
  const here = await serveHere(t, 1);
  const never = await run(t, here, 0, { ready: parseProbe('cmd:false'), startupMs: 150 });
  await never.says(/^APP_NEVER_READY .*; it is not registered, and goes on being probed/);
  await until(
    () => (never.agent.status().application.ready.why === 'cmd:false: exit code 1' ? true : undefined),
    () => JSON.stringify(never.agent.status()),
  );
  assert.equal(await healthOf(here), undefined);
  assert.equal(never.agent.status().registration.is, 'waiting');
  // It has heard of SIGTERM by then.
  await until(
    () =>
      fetch(`http://127.0.0.1:${never.port}/`).then(
        () => true,
        () => undefined,
      ),
    () => never.said.join('\n'),
  );
  never.agent.stop();
  // The application says 5 itself; one that says 0 is in the tests of the machine.
  assert.equal(await never.agent.ended, 5);
  const often = await run(t, here, 99, { restarts: { ...DEFAULT_RESTARTS, baseMs: 10, most: 2 } });
  assert.equal(await often.agent.ended, 1, often.said.join('\n'));
  await often.says(/^APP_RESTART_LIMIT 2 restarts/);
  const none = await run(t, here, 0, { command: ['no-such-program-here'] });
  assert.equal(await none.agent.ended, 1);
  await none.says(/^APP_NOT_STARTED .*there is no program/);
});

test('two agents with one endpoint: the older one says who has it and stays; its application is left alone', async (t) => {
  const here = await serveHere(t, 1);
  const old = await run(t, here, 0, { failsWhenTaken: true });
  await until(
    () => isUp(here),
    () => old.said.join('\n'),
  );
  const young = await run(t, here, 0);
  await old.says(/^LEASE_TAKEN .*held by another process/);
  assert.equal(await (await fetch(`http://127.0.0.1:${old.port}/`)).text(), 'life 1');
  assert.equal(old.agent.status().registration.is, 'taken');
  old.agent.stop();
  assert.equal(await old.agent.ended, 1, 'as asked');
  assert.equal(await healthOf(here), 'healthy', 'the endpoint is the other one’s');
  young.agent.stop();
  assert.equal(await young.agent.ended, 5);
  assert.equal(await healthOf(here), undefined);
});

test('tendril agent: status, signals passed on, drain at SIGTERM, the exit code of the application; a second signal ends all', async (t) => {
  const here = await serveHere(t, 1);
  const port = await freePort();
  const file = join(temporaryFolder(), 'behaviour');
  writeFileSync(file, '');
  const flags = (...more: string[]): string[] => [
    'agent',
    ...['--service', 'svc-0.shop', '--port', `80=${port}`, '--endpoint', 'here', '--admin', api(here), '--lease', '3s'],
    ...['--ready', `http://127.0.0.1:${port}/`, '--interval', '100ms', '--grace', '0s', ...more],
    ...['--', process.execPath, CHILD, String(port), file, '0'],
  ];
  const first = start(flags('--status', '127.0.0.1:0'));
  const [, url = ''] = await first.says(/status: (http:\S+)/);
  await first.says(/is registered, healthy, lease 3 s/);
  const status = (await (await fetch(url)).json()) as { application: { pid: number }; registration: { is: string } };
  assert.equal(status.registration.is, 'registered');
  assert.ok(status.application.pid > 0);
  first.child.kill('SIGHUP');
  await first.says(/reloaded/);
  first.child.kill('SIGTERM');
  const { code, err } = await first.ended;
  assert.equal(code, 5, err);
  assert.match(err, /withdrawn, and no sidecar holds it[^\n]*\n[^\n]*the application ended: exit code 5/);
  assert.equal(await healthOf(here), undefined);

  const second = start(flags('--log', 'json'));
  await second.says(/"msg":"[^"]*registered, healthy/);
  appendFileSync(file, 'deaf\n');
  second.child.kill('SIGTERM');
  await second.says(/"msg":"[^"]*withdrawn, and no sidecar holds it/);
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200, 'it does not listen to SIGTERM');
  second.child.kill('SIGTERM');
  assert.equal((await second.ended).code, 143);
  await until(
    () =>
      fetch(`http://127.0.0.1:${port}/`).then(
        () => undefined,
        () => true,
      ),
    () => 'the application lives on',
  );
});
