/** The scrub's time-table and bounds (R1 to R4 of scrub.ts), with its real process over a real log and state. */
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AuditLog } from '../../src/audit/index.ts';
import type { TendrilError } from '../../src/model/index.ts';
import type { ScrubFinding } from '../../src/runtime/scrub/messages.ts';
import { scrubPass } from '../../src/runtime/scrub/pass.ts';
import { Scrub, type ScrubOptions } from '../../src/runtime/scrub/scrub.ts';
import { recordingLogger } from '../admin/core.ts';
import { temporaryData } from '../audit/support.ts';
import { feed, withSystem } from '../projector/harness.ts';
import { initialEvents, MESH } from '../projector/mesh-events.ts';

const HOUR = 3_600_000;

const filled = async (t: TestContext): Promise<string> => {
  const dir = temporaryData(t);
  await withSystem(dir, (system) => feed(system, ...initialEvents({ services: 400, endpoints: 3 })));
  const audit = await AuditLog.open({ dir, mesh: MESH, version: '0', clock: { now: Date.now } });
  await audit.close();
  return dir;
};

const scrubOf = (t: TestContext, dir: string, options: Partial<ScrubOptions> = {}): Scrub => {
  const scrub = new Scrub({
    dir,
    mesh: MESH,
    hours: 0,
    now: Date.now,
    logger: recordingLogger(),
    busy: () => false,
    onFinding: () => undefined,
    ...options,
  });
  t.after(() => scrub.close());
  return scrub;
};

/** Until no pass runs. */
const ended = async (scrub: Scrub): Promise<NonNullable<ReturnType<Scrub['status']>['last']>> => {
  for (;;) {
    const { running, last } = scrub.status();
    if (running === undefined && last !== undefined) return last;
    await sleep(20);
  }
};

test('R1: one pass at a time; the next one is due hours after the last one ended, over restarts too', async (t) => {
  const dir = await filled(t);
  const scrub = scrubOf(t, dir);
  assert.equal(scrub.status().nextAt, undefined, '0 hours: none by itself');
  scrub.start();
  assert.throws(
    () => scrub.start(),
    (error: TendrilError) => error.code === 'SCRUB_RUNNING',
  );
  const last = await ended(scrub);
  assert.deepEqual([last.findings, last.complete], [[], true]);
  assert.ok(last.records > 1_600 && last.bytes > 100_000, JSON.stringify(last));
  assert.ok(existsSync(join(dir, 'scrub.json')));
  const later = scrubOf(t, dir, { hours: 24 });
  assert.equal(later.status().nextAt, last.endedAt + 24 * HOUR);
  assert.deepEqual(later.status().last, last);
  rmSync(join(dir, 'scrub.json'));
  const now = Date.now();
  assert.ok((scrubOf(t, dir, { hours: 24, now: () => now }).status().nextAt ?? 0) > now);
});

test('R1, R2: it begins by itself when it is due, and not while others are busy', async (t) => {
  const dir = await filled(t);
  let now = Date.now();
  let isBusy = true;
  const scrub = scrubOf(t, dir, { hours: 1, now: () => now, busy: () => isBusy });
  now += HOUR;
  await sleep(600);
  assert.equal(scrub.status().running, undefined, 'busy');
  isBusy = false;
  assert.equal((await ended(scrub)).complete, true);
});

test('R2: a pass that runs rests while others are busy', async (t) => {
  const dir = await filled(t);
  let isBusy = false;
  // Slow enough to be met on its way.
  const scrub = scrubOf(t, dir, { busy: () => isBusy, bytesPerSecond: 250_000 });
  scrub.start();
  while ((scrub.status().running?.bytes ?? 0) === 0) await sleep(20);
  isBusy = true;
  while (scrub.status().running?.paused !== true) await sleep(20);
  assert.ok(scrub.status().running !== undefined);
  isBusy = false;
  while (scrub.status().running?.paused === true) await sleep(20);
  scrub.close();
});

test('R3: a process that dies is a finding of its own', async (t) => {
  const dir = await filled(t);
  const found: ScrubFinding[] = [];
  const scrub = scrubOf(t, dir, { bytesPerSecond: 250_000, onFinding: (finding) => found.push(finding) });
  // What a cut file does to whoever reads it.
  for (const [signal, code] of [
    ['SIGBUS', 'LOG_CORRUPT'],
    ['SIGKILL', 'SCRUB_FAILED'],
  ] as const) {
    scrub.start();
    while ((scrub.status().running?.bytes ?? 0) === 0) await sleep(20);
    assert.equal(scrub.status().running?.part, 'log');
    process.kill(scrub.status().running?.pid ?? assert.fail('it has ended'), signal);
    const last = await ended(scrub);
    assert.deepEqual([last.complete, last.findings.map((finding) => finding.code)], [false, [code]]);
    assert.match(last.findings[0]?.message ?? '', new RegExp(signal));
    rmSync(join(dir, 'scrub.json'));
  }
  assert.equal(found.length, 2);
});

test('K2: never more bytes than the pace allows: each slice asks before the next one is read', async (t) => {
  const dir = await filled(t);
  let allowed = 0;
  let read = 0;
  await scrubPass(
    { dir, mesh: MESH, bytesPerSecond: 1 },
    {
      after: async (bytes) => {
        allowed += bytes;
        assert.ok(bytes <= 256 * 1024 + 64 * 1024, `a slice of ${bytes} bytes`);
      },
    },
    (message) => {
      assert.notEqual(message.t, 'finding', JSON.stringify(message));
      if (message.t === 'end') read = message.bytes;
    },
  );
  assert.equal(allowed, read);
});
