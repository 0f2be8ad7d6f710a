/** The scrub's time-table and bounds (R1 to R4 of scrub.ts, K2 to K6 of pass.ts), with its real process over a real log and state. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AuditLog } from '../../src/audit/index.ts';
import { openEventLog } from '../../src/log/index.ts';
import type { TendrilError } from '../../src/model/index.ts';
import type { ScrubFinding } from '../../src/runtime/scrub/messages.ts';
import { scrubPass } from '../../src/runtime/scrub/pass.ts';
import { Scrub, type ScrubOptions } from '../../src/runtime/scrub/scrub.ts';
import { recordingLogger } from '../admin/core.ts';
import { temporaryData } from '../audit/support.ts';
import { feed, withSystem } from '../projector/harness.ts';
import { initialEvents, MESH } from '../projector/mesh-events.ts';

const HOUR = 3_600_000;
/** Where LMDB keeps the kind of a page, u16. */
const PAGE_KIND = 18;

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
  // So slow that it is still reading the log when it is killed, on a busy machine too.
  const scrub = scrubOf(t, dir, { bytesPerSecond: 60_000, onFinding: (finding) => found.push(finding) });
  // What a cut file does to whoever reads it.
  for (const [signal, code] of [
    ['SIGBUS', 'LOG_CORRUPT'],
    ['SIGKILL', 'SCRUB_FAILED'],
  ] as const) {
    scrub.start();
    // A table of the state comes first, then the log.
    while (scrub.status().running?.part !== 'log' || scrub.status().running?.table === '') {
      assert.ok(scrub.status().running !== undefined, 'it has ended');
      await sleep(5);
    }
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

test('R1: a pass that cannot be started is tried again later, and the core goes on', async (t) => {
  const dir = await filled(t);
  let now = Date.now();
  const logger = recordingLogger();
  // Longer than an argument may be: fork throws.
  const scrub = scrubOf(t, dir, { hours: 1, mesh: 'm'.repeat(200_000), now: () => now, logger });
  assert.throws(() => scrub.start(), /E2BIG/);
  now += HOUR;
  while ((scrub.status().nextAt ?? 0) <= now) await sleep(20);
  assert.equal(scrub.status().nextAt, now + 600_000);
  assert.equal(scrub.status().running, undefined);
});

test('R3, K4: a state whose file was cut is charged to the state, never to the log', async (t) => {
  const dir = await filled(t);
  const file = join(dir, 'state', 'data.mdb');
  const whole = readFileSync(file);
  const codes = new Set<string>();
  for (const pages of [4, 32, 64]) {
    writeFileSync(file, whole.subarray(0, whole.length - pages * 4_096));
    const scrub = scrubOf(t, dir);
    scrub.start();
    const { findings } = await ended(scrub);
    for (const { part, code, where } of findings) {
      codes.add(code);
      assert.equal(part, 'state', `${code} ${where}`);
    }
    rmSync(join(dir, 'scrub.json'));
  }
  assert.ok(codes.has('CORRUPT_RECORD'), [...codes].join());
});

/** All findings of one pass in this process. */
const findingsOf = async (dir: string, after: (bytes: number) => Promise<void> = async () => undefined) => {
  const found: ScrubFinding[] = [];
  await scrubPass({ dir, mesh: MESH, bytesPerSecond: 1 }, { after }, (message) => {
    if (message.t === 'finding') found.push(message.finding);
  });
  return found.map(({ part, code, where }) => `${part} ${code} ${where}`);
};

test('K6: events that retention removes while the log is read are not missing; others are', async (t) => {
  const dir = temporaryData(t);
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: { now: Date.now } });
  t.after(() => log.close());
  const events = [...initialEvents({ services: 1_000, endpoints: 3 })];
  for (let at = 0; at < events.length; at += 500) await log.append(events.slice(at, at + 500));
  const { offset, recordedAt } = log.head();
  assert.ok(offset > 3_500, `${offset} events`);
  let slices = 0;
  const cut = offset - 10;
  const base = { offset: cut, recordedAt, chain: '0'.repeat(64), tail: '0'.repeat(64) };
  const found = await findingsOf(dir, async () => {
    if (slices++ === 0) await log.prune(base);
  });
  assert.ok(slices > 1, 'cut between two slices');
  assert.deepEqual(found, []);
  const environment = log.storage ?? assert.fail();
  await environment.commit((batch) => batch.remove(environment.table<number>('events'), cut + 5));
  assert.deepEqual(await findingsOf(dir), [`log LOG_CORRUPT offset ${cut + 5}`]);
});

test('K5: what is not damage is SCRUB_FAILED: another mesh, a file that may not be opened', async (t) => {
  const dir = await filled(t);
  const state = join(dir, 'state', 'data.mdb');
  rmSync(state);
  // As a file without rights is for who is not root.
  mkdirSync(state);
  assert.deepEqual(await findingsOf(dir), ['state SCRUB_FAILED opening']);
  const found: string[] = [];
  await scrubPass({ dir, mesh: 'other', bytesPerSecond: 1 }, { after: async () => undefined }, (message) => {
    if (message.t === 'finding') found.push(`${message.finding.part} ${message.finding.code}`);
  });
  assert.ok(found.includes('log SCRUB_FAILED'), found.join());
  assert.ok(!found.some((line) => /CORRUPT_RECORD|LOG_CORRUPT/.test(line)), found.join());
});

test('K5: a head that is no LMDB is damage', async (t) => {
  const dir = await filled(t);
  writeFileSync(join(dir, 'state', 'data.mdb'), Buffer.alloc(65_536, 7));
  assert.deepEqual(await findingsOf(dir), ['state CORRUPT_RECORD its first page']);
});

test('K3: a tree that LMDB cannot follow is a finding, and what lies behind it is read', async (t) => {
  const dir = await filled(t);
  const file = join(dir, 'log', 'data.mdb');
  const bytes = readFileSync(file);
  // From branch (1) to nothing that LMDB knows.
  let branches = 0;
  for (let page = 2; page * 4_096 < bytes.length; page++) {
    if (bytes.readUInt16LE(page * 4_096 + PAGE_KIND) !== 1) continue;
    bytes.writeUInt16LE(0, page * 4_096 + PAGE_KIND);
    branches++;
  }
  assert.ok(branches > 0);
  writeFileSync(file, bytes);
  let end = 0;
  const found = await findingsOf(dir, async () => {
    end++;
  });
  assert.match(found[0] ?? '', /^log LOG_CORRUPT table events/);
  assert.ok(end > 0, 'the state was read');
});
