/** F-enospc of reference/reliability.md, section 4b, over a whole `serve`: its disk is full again and again, and free again. */
import assert from 'node:assert/strict';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { serve, until } from '../cli/support/tendril.ts';
import {
  allConnected,
  allHold,
  coreOf,
  endpointEvent,
  post,
  ready,
  serviceEvents,
  workersOf,
} from '../runtime/support.ts';
import { skipLoudly, smallDisk } from '../store/support.ts';
import { Fleet } from '../support/fleet.ts';
import { requireAcknowledged } from './authors.ts';
import { faultRun } from './fault-run.ts';
import { Replay, readLog, requireReplayed } from './replay.ts';

const MIB = 2 ** 20;
const DISK_MIB = 96;
const RESERVE = 16 * MIB;
const REFUSED = 5;
/** Demanded: that writes are taken again so soon after there is room (reference/reliability.md, section 4b). */
const RESUME_MS = 5_000;
/** So many usual writes more on a machine that is busy with other things. */
const SLOWNESS = 20;

/** Writes as many bytes, or as many as there is room for. */
const fill = (path: string, bytes: number): void => {
  try {
    writeFileSync(path, Buffer.alloc(Math.max(0, bytes)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
};

interface Refusal {
  readonly status: number;
  readonly code?: string;
  readonly remedy?: string;
  readonly offsets?: readonly number[];
}

export const enospcRounds = async (context: TestContext, count: number): Promise<void> => {
  const disk = smallDisk(context, DISK_MIB);
  if ('why' in disk) return skipLoudly(context, disk.why);
  const run = faultRun('ENOSPC', count);
  const data = join(disk.path, 'data');
  const ballast = join(disk.path, 'ballast');
  const server = await serve(['--data', data, '--workers', '1', '--disk-reserve', String(RESERVE)]);
  const pids = [coreOf(server), ...workersOf(server)];
  const hosts = Array.from({ length: run.count + 1 }, (_, index) => `svc-${index}`);
  assert.equal(
    await post(
      server,
      hosts.flatMap((name) => serviceEvents(name)),
    ),
    200,
  );
  const fleet = new Fleet({ port: server.xdsPort, size: 3, caller: (index) => `web-${index}.shop` });
  context.after(() => fleet.close());
  await allConnected(fleet);
  for (const sidecar of fleet.sidecars) sidecar.ask('svc-0');
  await allHold(fleet, 'outbound/svc-0.shop:80');

  const acknowledged: { offset: number; id: string }[] = [];
  let sent = 0;
  const write = async (): Promise<Refusal> => {
    const id = `write-${++sent}`;
    const address = `10.${(sent >> 16) & 255}.${(sent >> 8) & 255}.${sent & 255}`;
    const response = await fetch(`${server.api}/v1/events?wait=applied&timeout=60s`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ events: [{ id, ...endpointEvent('svc-0', address) }] }),
    });
    const answer = (await response.json()) as Omit<Refusal, 'status'>;
    if (response.status === 200 || response.status === 202) {
      for (const offset of answer.offsets ?? []) acknowledged.push({ offset, id });
    }
    return { status: response.status, ...answer };
  };

  let refused = 0;
  const slow: number[] = [];
  for (let cycle = 1; cycle <= run.count; cycle++) {
    const began = performance.now();
    assert.equal((await write()).status, 200);
    /** What this machine takes for as many writes as there are before room is noticed. */
    const usualMs = Math.min(SLOWNESS * (performance.now() - began), RESUME_MS);
    const { bavail, bsize } = statfsSync(disk.path);
    // Now and then to the last byte.
    const rest = run.random() < 0.4 ? 0 : run.between(1, RESERVE / 2);
    fill(ballast, bavail * bsize - rest);
    for (let n = 0; n < REFUSED; n++) {
      const { status, code, remedy = '' } = await write();
      assert.deepEqual([status, code], [507, 'DISK_FULL']);
      assert.match(remedy, /free space/);
      refused++;
    }
    const health = (await (await fetch(`${server.api}/healthz`)).json()) as { readonly degraded: readonly string[] };
    assert.ok(health.degraded.includes('disk'), JSON.stringify(health));
    assert.equal(await ready(server), 200, 'sidecars are served');
    // A question that nobody has asked before: the answer comes from the read model, the edge waits for room in the log.
    for (const sidecar of fleet.sidecars) sidecar.ask(`svc-${cycle}`);
    await allHold(fleet, `outbound/svc-${cycle}.shop:80`);
    rmSync(ballast);
    const freed = performance.now();
    await until(
      async () => ((await write()).status === 200 ? true : undefined),
      () => `no write is taken though there is room:\n${server.err()}`,
    );
    slow.push(performance.now() - freed);
    assert.ok(
      (slow.at(-1) ?? 0) <= RESUME_MS + usualMs,
      `writes are back only after ${Math.round(slow.at(-1) ?? 0)} ms`,
    );
  }
  assert.deepEqual([coreOf(server), ...workersOf(server)], pids, `a process was replaced:\n${server.err()}`);
  assert.deepEqual([fleet.sum('streams'), fleet.sum('refused')], [3, 0], 'streams were cut');
  const replay = new Replay(data);
  await replay.requireLive(server.api);
  fleet.close();
  assert.equal((await server.stop()).code, 0, server.err());
  const records = await readLog(data, 'default');
  requireAcknowledged(records, acknowledged);
  await requireReplayed(data, { version: 'serve' });
  context.diagnostic(
    `${run.count} times full: ${refused} writes refused with 507 DISK_FULL, ${acknowledged.length} taken and there; writes back after at most ${Math.round(Math.max(...slow))} ms`,
  );
};
