/**
 * F-poison of reference/reliability.md, section 4b: events that no writer of this repository makes, in a log that `serve` opens. What
 * Envoy refuses (`output that Envoy NACKs`) is shown by test/runtime/nacks.test.ts, a fold that throws whatever it is given by
 * test/projector/fold/quarantine.test.ts.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Serve, serve, temporaryFolder, until } from '../cli/support/tendril.ts';
import { withSystem } from '../projector/harness.ts';
import { changeEvents, initialEvents, route } from '../projector/mesh-events.ts';
import { metric, post, ready, serviceEvents } from '../runtime/support.ts';
import { faultRun } from './fault-run.ts';
import { poisons, type Written, writeInto } from './poison.ts';
import { Replay, requireReplayed } from './replay.ts';

const SIZE = { services: 12, endpoints: 4 };

interface Row {
  readonly offset: number;
  readonly status: string;
  readonly code?: string;
  readonly message?: string;
}

/** Every event with what became of it. */
const outcomes = async (server: Serve): Promise<ReadonlyMap<number, Row>> => {
  const found = new Map<number, Row>();
  let next: number | undefined = 1;
  while (next !== undefined) {
    const answer = await fetch(`${server.api}/v1/events?limit=500&from=${next}`);
    const page = (await answer.json()) as { readonly events: readonly Row[]; readonly next?: number };
    assert.equal(answer.status, 200, JSON.stringify(page));
    for (const row of page.events) found.set(row.offset, row);
    next = page.next;
  }
  return found;
};

const shortly = ({ status, code }: Row): string => (code === undefined ? status : `${status} ${code}`);

export const poisonRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('POISON', count);
  const dir = join(temporaryFolder(), 'data');
  await withSystem(dir, async ({ log }) => {
    await log.append([...initialEvents(SIZE), route('svc-1', { timeout: '1s' })]);
  });
  const change = changeEvents(SIZE, run.random);
  // Each with an id of its own, or it would be a duplicate; the one of 100 MB once.
  const kinds = Array.from({ length: run.count }, (_, round) =>
    poisons('svc-1').filter(({ kind }) => round === 0 || kind !== '100 MB'),
  ).flat();
  const written: Written[] = [];
  const due = new Map<number, string>();
  for (const poison of kinds) {
    for (let n = run.between(1, 30); n > 0; n--) written.push(change());
    due.set(written.length, `${poison.outcome} (${poison.kind})`);
    written.push(poison.written);
  }
  written.push(change());
  const first = await writeInto(dir, 'default', written);

  const server = await serve(['--data', dir, '--workers', '1']);
  await until(
    async () => ((await ready(server)) === 200 ? true : undefined),
    () => server.err(),
  );
  const rows = await outcomes(server);
  let quarantined = 0;
  for (let at = 0; at < written.length; at++) {
    const row = rows.get(first + at);
    assert.ok(row !== undefined, `event ${first + at} is not there`);
    const wanted = due.get(at);
    if (wanted === undefined) assert.equal(row.status, 'applied', JSON.stringify(row));
    else {
      assert.equal(`${shortly(row)}${wanted.slice(wanted.indexOf(' ('))}`, wanted, row.message);
      if (row.status === 'quarantined') quarantined++;
      if (row.status !== 'applied') assert.ok((row.message ?? '').length > 10, `no reason: ${JSON.stringify(row)}`);
    }
  }
  const counted = await metric(server, 'tendril_events_total');
  assert.equal(counted.get('{status="quarantined"}'), quarantined, JSON.stringify([...counted]));
  const requireDegraded = async ({ api }: Serve): Promise<void> => {
    const health = (await (await fetch(`${api}/healthz`)).json()) as { readonly degraded: readonly string[] };
    assert.ok(health.degraded.includes('quarantine'), JSON.stringify(health));
  };
  await requireDegraded(server);
  // Behind the poison everything goes on.
  assert.equal(await post(server, serviceEvents('after')), 200);
  const replay = new Replay(dir);
  const offset = await replay.requireLive(server.api);
  assert.ok(offset > first + written.length - 1);
  assert.equal((await server.stop()).code, 0);

  // Every other run over the log says the same of every event.
  const again = await serve(['--data', dir, '--workers', '0']);
  const rowsAgain = await outcomes(again);
  for (const [at, row] of rows) assert.deepEqual(rowsAgain.get(at), row);
  await replay.requireLive(again.api);
  await requireDegraded(again);
  assert.deepEqual(
    [...replay.quarantined.keys()],
    [...rowsAgain.values()].filter(({ status }) => status === 'quarantined').map((row) => row.offset),
  );
  assert.equal((await again.stop()).code, 0);
  await requireReplayed(dir, { version: 'serve' });
  context.diagnostic(`${kinds.length} poison events of ${poisons('x').length} kinds, ${quarantined} quarantined`);
};
