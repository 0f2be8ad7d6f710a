/** F-failpoint of reference/reliability.md, section 4b: a `serve` ends itself at named places, under writers and sidecars. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Failpoint } from '../../src/store/failpoint.ts';
import { type Ended, type Going, start, temporaryFolder } from '../cli/support/tendril.ts';
import { Fleet } from '../support/fleet.ts';
import { freePorts } from '../support/ports.ts';
import { requireAcknowledged, startAuthors } from './authors.ts';
import { faultRun } from './fault-run.ts';
import { Replay, readLog, requireReplayed } from './replay.ts';

/** Those that lie on the way of every event; the ones of snapshots are passed only by snapshots. */
export const POINTS: readonly Failpoint[] = [
  'beforeAppend',
  'beforeFlush',
  'afterFlush',
  'afterAppend',
  'midProject',
  'beforePush',
  'afterPush',
];
/** All that the writers speak of: few of their events come through so many kills, and about which services is chance. */
const HOSTS = Array.from({ length: 24 }, (_, index) => `svc-${index}`);
const WRITERS = 8;

interface World {
  readonly data: string;
  readonly admin: number;
  readonly xds: number;
}

/** In one process, so that the place ends all of it. Resolves when it is ready, or ended before: a place may lie on the way of the start. */
const serveUntil = async ({ data, admin, xds }: World, failpoint: string): Promise<Going> => {
  const going = start(
    [
      'serve',
      '--data',
      data,
      '--workers',
      '0',
      '--log-level',
      'error',
      '--admin',
      `127.0.0.1:${admin}`,
      '--xds',
      `127.0.0.1:${xds}`,
    ],
    { env: { TENDRIL_FAILPOINT: failpoint } },
  );
  await Promise.race([going.says(/ready: xDS/).catch(() => undefined), going.ended]);
  return going;
};

const requireKilled = ({ signal, err }: Ended, where: string): void =>
  assert.equal(signal, 'SIGKILL', `${where} did not end it:\n${err}`);

/** No sidecar was given an endpoint that the log does not have: nothing is pushed before it is durable. */
const requireDurable = async (fleet: Fleet, data: string): Promise<number> => {
  const known = new Set<string>();
  for (const { event } of await readLog(data, 'default'))
    if (event?.type === 'endpoint.registered') {
      const { service, address } = event.data as { readonly service: string; readonly address: string };
      known.add(`${service} ${address}`);
    }
  let held = 0;
  for (const { session } of fleet.sidecars)
    for (const host of HOSTS)
      for (const { address } of session.endpoints(`${host}.shop:80`) ?? []) {
        held++;
        assert.ok(known.has(`${host} ${address}`), `a sidecar holds ${address} of ${host}, which is not in the log`);
      }
  return held;
};

/** Each of the places so many times. */
export const failpointRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('FAILPOINT', count);
  const folder = temporaryFolder();
  const [admin = 0, xds = 0] = await freePorts(2);
  const world: World = { data: join(folder, 'data'), admin, xds };
  const api = `http://127.0.0.1:${admin}`;
  const acked = join(folder, 'acked');
  const replay = new Replay(world.data);
  // The first server of a new directory: without a place to fail.
  let going = await serveUntil(world, '');
  let held = 0;
  let atStart = 0;
  const fleet = new Fleet({ port: xds, size: 4, caller: (index) => `web-${index}.shop` });
  context.after(() => fleet.close());
  for (const sidecar of fleet.sidecars) for (const host of HOSTS) sidecar.ask(host);
  const authors = await startAuthors(context, api, acked, run.seed, WRITERS);
  await authors.progress(50, () => going.err());
  await replay.requireLive(api);
  going.child.kill('SIGKILL');
  await going.ended;
  for (let round = 0; round < run.count; round++)
    for (const point of POINTS) {
      const failpoint = `${point}:${run.between(1, 12)}`;
      going = await serveUntil(world, failpoint);
      requireKilled(await going.ended, failpoint);
      if (!going.out().includes('ready: xDS')) atStart++;
      const acknowledged = authors.acknowledged();
      const records = await readLog(world.data, 'default');
      requireAcknowledged(records, acknowledged);
      held += await requireDurable(fleet, world.data);
    }
  going = await serveUntil(world, '');
  await authors.progress(WRITERS, () => going.err());
  await authors.stop();
  await replay.requireLive(api);
  fleet.close();
  going.child.kill('SIGTERM');
  assert.equal((await going.ended).code, 0, going.err());
  const records = await readLog(world.data, 'default');
  requireAcknowledged(records, authors.acknowledged());
  await requireReplayed(world.data, { version: 'serve' });
  assert.ok(held > 0, 'no sidecar held anything');
  context.diagnostic(
    `${POINTS.length} places x ${run.count}, ${atStart} of them on the way of a start; ${records.length} events, 0 acknowledged lost; ${held} endpoints held, all of them in the log`,
  );
};
