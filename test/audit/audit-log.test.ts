/** The audit's files: invariants A1 to A4 of audit-log.ts, T1 and T2 of tail.ts, and what the proof finds. */
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { type AuditEntry, type AuditLog, verifyAudit } from '../../src/audit/index.ts';
import { TendrilError } from '../../src/model/index.ts';
import { accepted, linesOf, openAudit, problemsIn, refused, START, segmentsIn, temporaryData } from './support.ts';

const all = async (audit: AuditLog): Promise<readonly AuditEntry[]> =>
  (await audit.page({ from: 1, limit: 1_000 })).entries;
const DAY = 86_400_000;

describe('entries', () => {
  test('A2: numbered without gaps over restarts, chained, and read back as they were told', async (t) => {
    const dir = temporaryData(t);
    const first = await openAudit(dir, { anchor: () => ({ offset: 7, chain: 'ab'.repeat(32) }) });
    first.record(
      accepted(1, { reason: 'why', request: 'req-1', types: { 'policy.applied': 1 }, subjects: ['policy/a'] }),
    );
    first.record(refused('E101', { message: 'no' }));
    await first.close();
    const second = await openAudit(dir);
    second.record(accepted(2));
    const entries = await all(second);
    assert.deepEqual(
      entries.map(({ seq, kind }) => [seq, kind]),
      [
        [1, 'opened'],
        [2, 'write'],
        [3, 'write'],
        [4, 'opened'],
        [5, 'write'],
      ],
    );
    const { chain, ...write } = entries[1] as AuditEntry & { chain: string };
    assert.match(chain, /^[0-9a-f]{64}$/);
    assert.deepEqual(write, {
      seq: 2,
      time: new Date(START).toISOString(),
      kind: 'write',
      ...accepted(1, { reason: 'why', request: 'req-1', types: { 'policy.applied': 1 }, subjects: ['policy/a'] }),
    });
    assert.deepEqual(entries[0]?.log, { offset: 7, chain: 'ab'.repeat(32) }, 'bound to the chain of the log');
    await second.close();
    assert.deepEqual(await problemsIn(dir), []);
  });

  test('within their bounds, whatever is told', async (t) => {
    const audit = await openAudit(temporaryData(t));
    const names = Array.from({ length: 1_000 }, (_, index) => `name-${index}-${'x'.repeat(1_000)}`);
    audit.record(
      accepted(1, {
        subjects: names,
        sources: names,
        reason: 'r'.repeat(100_000),
        message: 'm'.repeat(100_000),
        target: `/${'t'.repeat(100_000)}`,
        types: Object.fromEntries(names.map((name) => [name, 1])),
        offsets: names.map((_, index) => [2 * index + 1, 2 * index + 1] as const),
      }),
    );
    const [, entry] = await all(audit);
    assert.ok(JSON.stringify(entry).length < 32_000, `${JSON.stringify(entry).length} bytes`);
    assert.equal((entry as { subjects?: readonly string[] }).subjects?.at(-1), '… 990 more');
    await audit.close();
  });

  test('pages: from a number, the last ones, by who, code, time and result', async (t) => {
    let now = START;
    const audit = await openAudit(temporaryData(t), { clock: { now: () => now }, segmentBytes: 2_000 });
    for (let index = 1; index <= 40; index++) {
      now = START + index * 1_000;
      audit.record(
        index % 4 === 0 ? refused(`E10${index % 8}`) : accepted(index, { who: index % 2 === 0 ? 'dir' : 'local' }),
      );
      if (index % 10 === 0) await audit.flush();
    }
    const seqs = async (query: Parameters<AuditLog['page']>[0]): Promise<readonly number[]> =>
      (await audit.page(query)).entries.map(({ seq }) => seq);
    assert.deepEqual(await seqs({ from: 10, limit: 3 }), [10, 11, 12]);
    assert.equal((await audit.page({ from: 10, limit: 3 })).next, 13);
    assert.deepEqual(await seqs({ limit: 2 }), [40, 41]);
    assert.deepEqual(await seqs({ limit: 2, refused: true }), [37, 41]);
    assert.deepEqual(await seqs({ from: 1, limit: 100, code: 'E104' }), [5, 13, 21, 29, 37]);
    assert.deepEqual(await seqs({ limit: 3, who: 'dir' }), [31, 35, 39]);
    assert.deepEqual(await seqs({ limit: 100, since: START + 39_000 }), [40, 41]);
    assert.equal((await audit.page({ from: 30, limit: 100 })).next, undefined, 'the end');
    await audit.close();
  });
});

describe('the proof', () => {
  const filled = async (dir: string): Promise<void> => {
    const audit = await openAudit(dir, { segmentBytes: 1_500 });
    for (let index = 1; index <= 20; index++) {
      audit.record(accepted(index));
      if (index % 5 === 0) await audit.flush();
    }
    await audit.close();
  };

  test('property: any byte changed in an entry is found, and named by its number', async (t) => {
    const dir = temporaryData(t);
    await filled(dir);
    assert.deepEqual(await problemsIn(dir), []);
    const paths = segmentsIn(dir);
    assert.ok(paths.length > 2, `${paths.length} segments`);
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), async (which, place, flip) => {
        const path = paths[which % paths.length] ?? assert.fail();
        const bytes = readFileSync(path);
        const header = bytes.indexOf(0x0a) + 1;
        const at = header + (place % (bytes.length - header));
        const damaged = Buffer.from(bytes);
        damaged[at] = (bytes[at] ?? 0) ^ flip;
        const before = bytes.subarray(header, at).toString('latin1').split('\n').length - 1;
        const seq = Number(/audit-(\d{12})\.ndjson$/.exec(path)?.[1]) + before;
        writeFileSync(path, damaged);
        try {
          const problems = (await verifyAudit({ dir, mesh: 'm' }))?.problems ?? [];
          assert.ok(
            problems.some((problem) => Math.abs(problem.seq - seq) <= 1),
            `byte ${at} of ${path} (entry ${seq}): ${JSON.stringify(problems)}`,
          );
        } finally {
          writeFileSync(path, bytes);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('an entry taken out, two in another order, a segment removed, the end cut off: each is named', async (t) => {
    const dir = temporaryData(t);
    await filled(dir);
    const [first = '', second = ''] = segmentsIn(dir);
    const last = segmentsIn(dir).at(-1) ?? '';
    const changed = async (
      path: string,
      change: (lines: string[]) => readonly string[],
    ): Promise<readonly string[]> => {
      const before = readFileSync(path);
      writeFileSync(path, `${change(linesOf(path)).join('\n')}\n`);
      const found = await problemsIn(dir);
      writeFileSync(path, before);
      return found;
    };
    assert.deepEqual(await changed(first, (lines) => lines.toSpliced(3, 1)), ['3: entry 3 is missing']);
    const swapped = await changed(first, ([header = '', a = '', b = '', ...rest]) => [header, b, a, ...rest]);
    assert.deepEqual(swapped.slice(0, 2), ['1: entry 1 is missing', '1: the entry stands behind entry 2']);
    const count = linesOf(last).length;
    assert.match((await changed(last, (lines) => lines.slice(0, -1))).join(), /^21: entry 21 is missing$/);
    assert.ok(count > 2);
    const middle = readFileSync(second);
    rmSync(second);
    const gone = await problemsIn(dir);
    assert.equal(gone.length, 1, gone.join('\n'));
    assert.match(gone[0] ?? '', /entries \d+ to \d+ are missing/);
    writeFileSync(second, middle);
    assert.deepEqual(await problemsIn(dir), []);
  });

  test('a chain made anew from some entry on does not fit head.json', async (t) => {
    const dir = temporaryData(t);
    const other = temporaryData(t);
    await filled(dir);
    const forged = await openAudit(other, { segmentBytes: 1_500, version: 'forged' });
    for (let index = 1; index <= 20; index++) {
      forged.record(accepted(index));
      if (index % 5 === 0) await forged.flush();
    }
    await forged.close();
    for (const [index, path] of segmentsIn(dir).entries())
      writeFileSync(path, readFileSync(segmentsIn(other)[index] ?? ''));
    assert.match((await problemsIn(dir)).join(), /^21: the chain up to this entry is another one/);
  });
});

describe('a start', () => {
  test('T1: a line that was not finished is cut off, and the next entry says so', async (t) => {
    const dir = temporaryData(t);
    const audit = await openAudit(dir);
    audit.record(accepted(1));
    await audit.close();
    appendFileSync(segmentsIn(dir)[0] ?? '', '{"seq":3,"time":"2026');
    const again = await openAudit(dir);
    const [, , opened] = await all(again);
    assert.equal((opened as { cut?: number }).cut, 21);
    assert.equal(again.condition().state, 'ok');
    await again.close();
    assert.deepEqual(await problemsIn(dir), []);
  });

  test('T2: entries that the disk had and are gone are named, by the audit itself and by the proof for ever', async (t) => {
    const dir = temporaryData(t);
    const audit = await openAudit(dir);
    for (let index = 1; index <= 4; index++) audit.record(accepted(index));
    await audit.close();
    const path = segmentsIn(dir)[0] ?? '';
    writeFileSync(path, `${linesOf(path).slice(0, 4).join('\n')}\n`);
    const again = await openAudit(dir);
    assert.deepEqual(again.condition().code, 'AUDIT_CORRUPT');
    again.record(accepted(5));
    await again.close();
    assert.deepEqual(await problemsIn(dir), ['4: entries 4 to 5 are missing']);
  });

  test('T2: a changed entry is left where it is; the audit goes on in a new segment', async (t) => {
    const dir = temporaryData(t);
    const audit = await openAudit(dir);
    for (let index = 1; index <= 4; index++) audit.record(accepted(index));
    await audit.close();
    const path = segmentsIn(dir)[0] ?? '';
    const changed = readFileSync(path, 'utf8').replace('"offsets":[[2,2]]', '"offsets":[[9,9]]');
    writeFileSync(path, changed);
    const again = await openAudit(dir);
    assert.match(again.condition().message ?? '', /entry 3/);
    again.record(accepted(5));
    await again.close();
    assert.equal(readFileSync(path, 'utf8'), changed);
    assert.deepEqual(await problemsIn(dir), ['3: the entry was changed: it does not fit the chain']);
  });
});

describe('bounds', () => {
  test('B1, B2: refused writes above the rate are counted in one entry, by address and code', async (t) => {
    let now = START;
    const dir = temporaryData(t);
    const audit = await openAudit(dir, { clock: { now: () => now }, refusedPerSecond: 10 });
    for (let index = 0; index < 500; index++)
      audit.record(refused('HOST_REFUSED', { from: `127.0.0.1:${1_000 + index}` }));
    for (let index = 0; index < 5; index++) audit.record(refused('E101'));
    // Those that the log has are never only counted.
    for (let index = 0; index < 50; index++) audit.record(refused('expect', { offsets: [[index + 1, index + 1]] }));
    now += 1_000;
    audit.record(refused('HOST_REFUSED'));
    const entries = await all(audit);
    const of = (code: string): number => entries.filter((entry) => (entry as { code?: string }).code === code).length;
    assert.deepEqual([of('HOST_REFUSED'), of('E101'), of('expect')], [10 + 1 + 1, 5, 50]);
    const more = entries.find(({ kind }) => kind === 'more') as { count?: number; from?: string } | undefined;
    assert.deepEqual([more?.count, more?.from], [490, '127.0.0.1']);
    await audit.close();
    assert.deepEqual(await problemsIn(dir), []);
  });

  test('A1, A3: a full disk stops nobody; what waits is written when there is room, what was dropped is told', async (t) => {
    let isFull = false;
    const guard = {
      refused: 0,
      admit: () => {
        if (isFull) throw new TendrilError('DISK_FULL', 'no room', { remedy: 'free some' });
      },
      condition: () => ({ state: 'ok' as const, freeBytes: 0, reserveBytes: 0 }),
      poll: () => undefined,
      close: () => undefined,
    };
    const dir = temporaryData(t);
    const audit = await openAudit(dir, { guard, maxWaiting: 100 });
    isFull = true;
    for (let index = 1; index <= 130; index++) audit.record(accepted(index));
    await audit.flush();
    assert.deepEqual([audit.condition().code, audit.counters.dropped], ['AUDIT_NOT_WRITTEN', 30]);
    assert.ok(audit.waiting <= 101, `${audit.waiting} wait`);
    isFull = false;
    const entries = await all(audit);
    assert.deepEqual(audit.condition(), { state: 'ok' });
    assert.equal(entries.length, 1 + 100 + 1);
    assert.deepEqual((entries.at(-1) as { count?: number }).count, 30);
    await audit.close();
    assert.deepEqual(await problemsIn(dir), []);
  });

  test('A4: segments older than the days to keep go; the chain goes on over them', async (t) => {
    let now = START;
    const dir = temporaryData(t);
    const options = { clock: { now: () => now }, keepMs: 3 * DAY };
    for (let day = 0; day < 6; day++) {
      now = START + day * DAY;
      const audit = await openAudit(dir, options);
      audit.record(accepted(day + 1));
      await audit.close();
    }
    assert.equal(segmentsIn(dir).length, 5, 'day 0 is gone; day 1 ended where day 2 began, three days ago');
    const proof = await verifyAudit({ dir, mesh: 'm' });
    assert.deepEqual([proof?.problemCount, (proof?.first ?? 0) > 1], [0, true]);
    const audit = await openAudit(dir, options);
    assert.ok((await all(audit)).some((entry) => entry.kind === 'pruned'));
    await audit.close();
    // Not pruned, but removed by hand.
    rmSync(segmentsIn(dir)[0] ?? '');
    assert.match((await problemsIn(dir)).join(), /are missing/);
  });

  test('A4: segments that go while they are proved are no problem; each piece waits for its turn', async (t) => {
    const dir = temporaryData(t);
    const audit = await openAudit(dir, { segmentBytes: 1_000 });
    for (let index = 1; index <= 100; index++) {
      audit.record(accepted(index));
      if (index % 4 === 0) await audit.flush();
    }
    await audit.close();
    const before = segmentsIn(dir);
    assert.ok(before.length > 10, `${before.length} segments`);
    let bytes = 0;
    let pieces = 0;
    const proof = await verifyAudit({
      dir,
      mesh: 'm',
      onPiece: async (size) => {
        bytes += size;
        if (pieces++ > 0) return;
        const again = await openAudit(dir, { segmentBytes: 1_000, maxBytes: 3_000 });
        await again.close();
      },
    });
    const left = segmentsIn(dir);
    assert.ok(left.length < before.length / 2 && !left.includes(before[1] ?? ''), left.join());
    assert.deepEqual(proof?.problems, []);
    assert.ok(pieces > 1 && pieces < before.length, `${pieces} pieces`);
    assert.ok(bytes > 500 * pieces, `${bytes} bytes`);
    // Without a word in head.json it is missing.
    rmSync(left[0] ?? '');
    assert.match((await problemsIn(dir)).join(), /are missing/);
  });

  test('A4: above the bytes that are allowed the oldest go', async (t) => {
    const dir = temporaryData(t);
    const audit = await openAudit(dir, { segmentBytes: 1_000 });
    for (let index = 1; index <= 100; index++) {
      audit.record(accepted(index));
      if (index % 4 === 0) await audit.flush();
    }
    await audit.close();
    const again = await openAudit(dir, { segmentBytes: 1_000, maxBytes: 5_000 });
    assert.ok(again.bytes < 8_000, `${again.bytes} bytes`);
    await again.close();
    assert.deepEqual(await problemsIn(dir), []);
  });
});

test('another mesh is named', async (t) => {
  const dir = temporaryData(t);
  await (await openAudit(dir)).close();
  const proof = await verifyAudit({ dir, mesh: 'other' });
  assert.match(proof?.problems[0]?.message ?? '', /of mesh "m"/);
  assert.equal(await verifyAudit({ dir: join(dir, 'nothing') }), undefined);
});

test('a folder that somebody removes under a running audit: it is told, made again, and the gap stays visible', async (t) => {
  const dir = temporaryData(t);
  const audit = await openAudit(dir);
  audit.record(accepted(1));
  await audit.flush();
  rmSync(join(dir, 'audit'), { recursive: true });
  audit.record(accepted(2));
  // Noticed at the next flush to the disk.
  while (audit.condition().code !== 'AUDIT_NOT_WRITTEN') await sleep(20);
  audit.record(accepted(3));
  await audit.flush();
  assert.equal(audit.condition().state, 'ok');
  await audit.close();
  assert.deepEqual(await problemsIn(dir), ['1: entries 1 to 3 are missing']);
});
