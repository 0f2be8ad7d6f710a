/**
 * Issue 4, section 1.6: a configuration that a thousand sidecars refuse. It is sent to each once, however often they refuse it; the log
 * says so once, with document, offset, author and the client's words; `proxies`, metrics and ledger show it; questions are answered.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { VHDS } from '../../src/proto/index.ts';
import { cleanUp, type Serve, serve, temporaryFolder, tendril, until } from '../cli/support/tendril.ts';
import { Fleet } from '../support/fleet.ts';
import {
  allConnected,
  allHold,
  coreOf,
  metric,
  post,
  quiet,
  ready,
  serviceEvents,
  workersOf,
  writable,
} from './support.ts';

after(cleanUp);

const SIDECARS = 1_000;
const HOST = 'outbound/svc-0.shop:80';
const WORDS = 'svc-0: regex is too large';

const apply = async (server: Serve, timeout: string): Promise<void> => {
  const document = `apiVersion: tendril.dev/v1\nkind: Route\nmetadata: {name: svc-0, namespace: shop}\nspec: {timeout: ${timeout}}`;
  const response = await fetch(`${server.api}/v1/docs:apply?wait=applied&timeout=60s`, {
    method: 'POST',
    headers: { 'content-type': 'application/yaml' },
    body: document,
  });
  assert.equal(response.status, 200, await response.text());
};

const json = async <T>(server: Serve, path: string): Promise<T> =>
  (await (await fetch(`${server.api}${path}`)).json()) as T;

interface Refused {
  readonly offset: number;
  readonly data: Readonly<Record<string, unknown>>;
}

const refusedEvents = async (server: Serve): Promise<readonly Refused[]> =>
  (await json<{ events: Refused[] }>(server, '/v1/events?type=policy.refused&limit=1000')).events;

/** Sum over workers. */
const ofType = async (server: Serve, name: string, type: string): Promise<number> => {
  let sum = 0;
  for (const [labels, value] of await metric(server, name)) if (labels.includes(`type="${type}"`)) sum += value;
  return sum;
};

const sumIs = (server: Serve, name: string, type: string, wanted: number): Promise<true> =>
  until(
    async () => ((await ofType(server, name, type)) === wanted ? true : undefined),
    () => `${name}{type="${type}"} does not become ${wanted}`,
  );

test('1,000 sidecars refuse a virtual host, again and again: sent once to each, written once, shown everywhere', async (t) => {
  const server = await serve(['--data', join(temporaryFolder(), 'data'), '--workers', '2']);
  assert.equal(
    await post(server, [...serviceEvents('svc-0'), ...serviceEvents('svc-1'), ...serviceEvents('svc-2')]),
    200,
  );
  let refusing = false;
  const fleet = new Fleet({
    port: server.xdsPort,
    size: SIDECARS,
    streamsPerConnection: 50,
    refuse: (type, name) => (refusing && type === 'vhds' && name === HOST ? WORDS : undefined),
  });
  t.after(() => fleet.close());
  await allConnected(fleet);
  for (const sidecar of fleet.sidecars) sidecar.ask('svc-0');
  await allHold(fleet, HOST);
  await quiet(fleet);
  const good = fleet.sidecars[0]?.session.versions('vhds').get(HOST);

  refusing = true;
  await apply(server, '300ms');
  await sumIs(server, 'tendril_xds_nacks_total', 'vhds', SIDECARS);
  await sumIs(server, 'tendril_xds_parked', 'vhds', SIDECARS);
  // The same verdict a thousand times more, of the last nonce and of others, with names that change.
  const [storm] = fleet.sidecars;
  const nonce = storm?.nonces.get(VHDS) ?? assert.fail();
  for (let index = 0; index < 1_000; index++) {
    storm?.nack(VHDS, nonce, `again ${index}`);
    storm?.nack(VHDS, `${nonce}${index}`, `again ${index}`, [`outbound/nobody-${index}.shop`]);
  }
  for (const sidecar of fleet.sidecars) sidecar.nack(VHDS, sidecar.nonces.get(VHDS) ?? '', 'again');
  // A change elsewhere is sent and taken; a question that waits is answered.
  for (const sidecar of fleet.sidecars) sidecar.ask('svc-1');
  await allHold(fleet, 'outbound/svc-1.shop:80');
  await quiet(fleet);
  /** The good one may come twice: to the siblings of whoever asked first, and as the answer to their own question. */
  const isBad = (key: string): boolean => key.startsWith(`${VHDS} ${HOST} `) && !key.endsWith(` ${good}`);
  /** Sidecars that were sent a refused version more often than they had streams. */
  const resent = (): readonly string[] =>
    fleet.sidecars
      .filter(({ received, stats }) => [...received].some(([key, count]) => isBad(key) && count > stats.streams))
      .map(({ id }) => id);
  const sent = (): boolean => fleet.sidecars.every(({ received }) => [...received.keys()].some(isBad));
  assert.deepEqual([sent(), resent()], [true, []], 'the refused one went to each, once');
  assert.ok(
    fleet.sidecars.every(({ session }) => session.versions('vhds').get(HOST) === good),
    'the last good one stays',
  );
  assert.equal(
    await ofType(server, 'tendril_xds_nacks_total', 'vhds'),
    SIDECARS,
    'verdicts of no response count for nothing',
  );

  const [refusal, ...more] = await refusedEvents(server);
  assert.deepEqual([refusal !== undefined, more.length], [true, 0], 'written once');
  const document = await json<{ offset: number; source: string }>(server, '/v1/docs/Route/shop/svc-0');
  const { kind, namespace, name, offset, author, typeUrl, resource, message } = refusal?.data ?? {};
  assert.deepEqual(
    { kind, namespace, name, offset, typeUrl, resource, message },
    {
      kind: 'Route',
      namespace: 'shop',
      name: 'svc-0',
      offset: document.offset,
      typeUrl: VHDS,
      resource: HOST,
      message: WORDS,
    },
  );
  assert.ok(document.source !== '');
  assert.equal(author, document.source);
  const row = await json<Record<string, unknown>>(server, '/v1/proxies/fleet-7');
  assert.deepEqual([row.state, row.refused, row.lastError], ['refused', 1, WORDS]);
  const { resources } = await json<{ resources: { name: string; state: string; error?: string; version?: string }[] }>(
    server,
    '/v1/proxies/fleet-7/resources?type=vhds',
  );
  const parked = resources.filter(({ state }) => state === 'refused');
  assert.deepEqual(
    parked.map((each) => [each.name, each.error, each.version]),
    [[HOST, WORDS, good]],
  );
  const shown = await tendril(['proxy', 'fleet-7', '--server', server.api]);
  assert.match(shown.out, /last refusal: svc-0: regex is too large/);
  assert.match(
    (await tendril(['proxies', '--state', 'refused', '--server', server.api])).out,
    /1000 REFUSED|1,000 REFUSED/,
  );

  // New streams know nothing of the refusal, and neither does a new core: they refuse once more, and it is not written again.
  process.kill(coreOf(server), 'SIGKILL');
  for (const pid of workersOf(server)) process.kill(pid, 'SIGKILL');
  await writable(server, 'later');
  await until(
    async () => ((await ready(server)) === 200 && fleet.connected === SIDECARS ? true : undefined),
    () => `${fleet.connected} are back`,
  );
  await sumIs(server, 'tendril_xds_parked', 'vhds', SIDECARS);
  await quiet(fleet);
  assert.deepEqual(resent(), [], 'at most once more on each further stream');
  assert.equal((await refusedEvents(server)).length, 1, 'still written once');

  // A good one ends it.
  refusing = false;
  await apply(server, '400ms');
  await sumIs(server, 'tendril_xds_parked', 'vhds', 0);
  await until(
    async () =>
      (await json<Record<string, unknown>>(server, '/v1/proxies/fleet-7')).state === 'in-sync' ? true : undefined,
    () => 'it is still shown as refusing',
  );
  fleet.close();
  assert.equal((await server.stop()).code, 0);
});
