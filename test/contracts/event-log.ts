/**
 * The contract of the `EventLog` port: every implementation passes it. A new one needs a harness of a few lines.
 * Invariants C1 to C5 are those of src/log/log-core.ts, F1 to F3 those of src/log/followers.ts.
 */
import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { type Clock, type LogLimits, type LogRecord, nextChain, type OpenedLog } from '../../src/log/index.ts';
import { type EventEnvelope, TendrilError } from '../../src/model/index.ts';
import { MESH, sampleEvent, sampleEvents } from '../log/sample-events.ts';

export { MESH, sampleEvent, sampleEvents };

export interface LogHarness {
  /** True when a log that was closed has its events when it is opened again. */
  readonly durable: boolean;
  /** True when `recordedAt` is the time of another machine instead of the clock's. */
  readonly ownTime?: boolean;
  /** Opens the log, always the same place. */
  open(options: { readonly clock: Clock; readonly limits?: Partial<LogLimits> }): Promise<OpenedLog>;
  cleanUp(): Promise<void>;
}

export const collect = async (batches: AsyncIterable<readonly LogRecord[]>): Promise<LogRecord[]> => {
  const records: LogRecord[] = [];
  for await (const batch of batches) records.push(...batch);
  return records;
};

/** The first `count` records from `from` on, waiting for them. */
export const followUntil = async (log: OpenedLog, from: number, count: number): Promise<LogRecord[]> => {
  const records: LogRecord[] = [];
  const ended = new AbortController();
  for await (const batch of log.follow({ from, signal: ended.signal, maxBatch: 7 })) {
    records.push(...batch);
    if (records.length >= count) ended.abort();
  }
  return records;
};

export const hasCode =
  (code: string) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof TendrilError, `TendrilError ${code} expected, got ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return true;
  };

class SteppingClock implements Clock {
  time = 1_000_000;

  now(): number {
    return this.time;
  }
}

const idsOf = (records: readonly LogRecord[]): (string | undefined)[] => records.map(({ event }) => event?.id);
const offsetsOf = (records: readonly LogRecord[]): number[] => records.map(({ offset }) => offset);
const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, index) => from + index);

const chainOf = (records: readonly LogRecord[]): string =>
  records.reduce<Uint8Array>((chain, { bytes }) => nextChain(chain, bytes), new Uint8Array(32)).toString();

export interface ContractOptions {
  /** Why the suite cannot run here. */
  readonly skip?: string | false;
  /** Runs of the property test (default 25). */
  readonly runs?: number;
}

export const describeEventLog = (
  name: string,
  makeHarness: () => Promise<LogHarness>,
  { skip = false, runs = 25 }: ContractOptions = {},
): void => {
  describe(`EventLog contract: ${name}`, { skip }, () => {
    const opened: LogHarness[] = [];
    const logs: OpenedLog[] = [];
    let clock = new SteppingClock();
    let ownTime = false;

    const harness = async (): Promise<LogHarness> => {
      const made = await makeHarness();
      ownTime = made.ownTime === true;
      opened.push(made);
      return made;
    };
    const open = async (limits?: Partial<LogLimits>): Promise<OpenedLog> => {
      const log = await (await harness()).open({ clock, ...(limits === undefined ? {} : { limits }) });
      logs.push(log);
      return log;
    };

    beforeEach(() => {
      clock = new SteppingClock();
    });
    after(async () => {
      for (const log of logs) await log.close();
      for (const made of opened) await made.cleanUp();
    });

    test('an empty log has head 0, and gives nothing', async () => {
      const log = await open();
      assert.deepEqual(log.head(), { offset: 0, recordedAt: 0, first: 1 });
      assert.deepEqual(await collect(log.read({ from: 1 })), []);
      assert.equal(log.offsetAt(Number.MAX_SAFE_INTEGER), 0);
      assert.deepEqual((await log.append([])).offsets, []);
      assert.equal(log.head().offset, 0);
    });

    test('C1: offsets are 1, 2, 3, …, and reading gives every event back with its place', async () => {
      const log = await open();
      assert.deepEqual((await log.append(sampleEvents(1, 3))).offsets, [1, 2, 3]);
      const { offsets, recordedAt: told } = await log.append(sampleEvents(4, 2));
      assert.deepEqual(offsets, [4, 5]);
      if (!ownTime) assert.equal(told, 1_000_000);
      assert.deepEqual(log.head(), { offset: 5, recordedAt: told, first: 1 });
      const records = await collect(log.read({ from: 1, maxBatch: 2 }));
      assert.deepEqual(offsetsOf(records), [1, 2, 3, 4, 5]);
      records.forEach((record, index) => {
        const recordedAt = ownTime ? record.recordedAt : 1_000_000;
        assert.deepEqual(record.event, { ...sampleEvent(index + 1), offset: index + 1, recordedAt });
        assert.equal(record.recordedAt, recordedAt);
      });
      assert.equal(records[4]?.recordedAt, told);
      assert.deepEqual(offsetsOf(await collect(log.read({ from: 4 }))), [4, 5]);
      assert.deepEqual(await collect(log.read({ from: 6 })), []);
    });

    test('optional fields of the envelope are kept, others are dropped, alike for followers and readers', async () => {
      const log = await open();
      const batch = { id: 'b', index: 0, size: 1 };
      const full = { ...sampleEvent(1), reason: 'why', expect: 0, batch, extra: 'not of the envelope' };
      const followed = followUntil(log, 1, 1);
      const { recordedAt } = await log.append([full]);
      const { extra, ...envelope } = full;
      const expected = { ...envelope, offset: 1, recordedAt };
      assert.equal(extra, 'not of the envelope');
      assert.deepEqual((await followed)[0]?.event, expected);
      assert.deepEqual((await collect(log.read({ from: 1 })))[0]?.event, expected);
    });

    test('C1, C4: concurrent appends stay whole, in order of their calls, and share commits', async () => {
      const log = await open();
      const results = await Promise.all(range(0, 200).map((n) => log.append(sampleEvents(n * 3 + 1, 3))));
      assert.deepEqual(
        results.flatMap(({ offsets }) => offsets),
        range(1, 600),
      );
      const ids = idsOf(await collect(log.read({ from: 1 })));
      assert.deepEqual(
        ids,
        range(1, 600).map((n) => `event-${n}`),
      );
      assert.equal(log.counters.appends, 200);
      assert.equal(log.counters.events, 600);
      assert.ok(log.counters.commits <= 2, `${log.counters.commits} commits for calls of one turn`);
      assert.equal(log.waitingBytes, 0);
    });

    test('C3: a batch with one bad event leaves nothing behind', async () => {
      const log = await open();
      const tooLarge = sampleEvent(2, 'x'.repeat(256 * 1024));
      const data = { ...sampleEvent(3).data, weight: 1n as unknown as number };
      await assert.rejects(log.append([sampleEvent(1), tooLarge]), hasCode('EVENT_TOO_LARGE'));
      await assert.rejects(log.append([sampleEvent(1), { ...sampleEvent(3), data }]), hasCode('EVENT_NOT_JSON'));
      await assert.rejects(
        log.append([sampleEvent(1), { ...sampleEvent(4), mesh: 'other' }]),
        hasCode('MESH_MISMATCH'),
      );
      const wide = { ...sampleEvent(5, 'x'.repeat(255 * 1024)), reason: 'y'.repeat(65 * 1024) };
      await assert.rejects(log.append([wide]), hasCode('EVENT_TOO_LARGE'));
      assert.equal(log.head().offset, 0);
      assert.deepEqual(log.counters.refused, { EVENT_TOO_LARGE: 2, EVENT_NOT_JSON: 1, MESH_MISMATCH: 1 });
      const room = 256 * 1024 - Buffer.byteLength(JSON.stringify(sampleEvent(6).data));
      const largest = sampleEvent(6, 'x'.repeat(room));
      await log.append([largest]);
      assert.deepEqual((await collect(log.read({ from: 1 })))[0]?.event?.data, largest.data);
    });

    test('C2: recordedAt never decreases, also when the clock jumps back; offsetAt finds the last offset of a time', async () => {
      const log = await open();
      if (ownTime) return await checkOwnTime(log);
      for (const [time, n] of [
        [1000, 1],
        [1000, 2],
        [3000, 3],
        [2000, 4],
        [2500.7, 5],
        [4000.9, 6],
      ] as const) {
        clock.time = time;
        await log.append([sampleEvent(n)]);
      }
      const times = (await collect(log.read({ from: 1 }))).map(({ recordedAt }) => recordedAt);
      assert.deepEqual(times, [1000, 1000, 3000, 3000, 3000, 4000]);
      const asked = [999, 1000, 2999, 3000, 3999, 4000, 9e15];
      assert.deepEqual(
        asked.map((time) => log.offsetAt(time)),
        [0, 2, 2, 5, 5, 6, 6],
      );
    });

    test('F1: a follower gets what is there and what comes, once and in order', async () => {
      const log = await open();
      await log.append(sampleEvents(1, 10));
      const followed = followUntil(log, 4, 27);
      for (let n = 11; n <= 30; n++) await log.append([sampleEvent(n)]);
      assert.deepEqual(offsetsOf(await followed), range(4, 27));
    });

    test('F2: a follower at the front is served from memory, nothing is read again', async () => {
      const log = await open();
      const followed = followUntil(log, 1, 100);
      for (let n = 0; n < 10; n++) await log.append(sampleEvents(n * 10 + 1, 10));
      const records = await followed;
      assert.equal(log.counters.fromBackend, 0);
      assert.equal(log.counters.fromMemory, 100);
      const read = await collect(log.read({ from: 1 }));
      assert.deepEqual(records, read);
      assert.equal(chainOf(records), chainOf(read));
    });

    test('F1, F2: followers that fall behind the recent records lose nothing, and disturb nobody', async () => {
      const log = await open({ maxRecentRecords: 8 });
      const ended = new AbortController();
      const slow = log.follow({ from: 1, signal: ended.signal, maxBatch: 3 })[Symbol.asyncIterator]();
      const quick = followUntil(log, 1, 100);
      const seen: number[] = [];
      const step = async (): Promise<void> => {
        const { value } = await slow.next();
        seen.push(...offsetsOf((value ?? []) as LogRecord[]));
      };
      for (let n = 1; n <= 100; n++) {
        await log.append([sampleEvent(n)]);
        if (n % 20 === 0) await step();
      }
      while (seen.length < 100) await step();
      ended.abort();
      assert.equal((await slow.next()).done, true);
      assert.deepEqual(seen, range(1, 100));
      assert.deepEqual(offsetsOf(await quick), range(1, 100));
      assert.ok(log.counters.fromBackend > 0, 'the slow follower never left the recent records');
      assert.ok(log.counters.fromMemory > 0, 'the quick follower never used the recent records');
    });

    test('F3: recent records are bounded by bytes too', async () => {
      const log = await open({ maxRecentBytes: 2000 });
      const ended = new AbortController();
      const follower = log.follow({ from: 1, signal: ended.signal })[Symbol.asyncIterator]();
      const first = follower.next();
      await log.append(sampleEvents(1, 1));
      assert.deepEqual(offsetsOf((await first).value as LogRecord[]), [1]);
      await log.append(sampleEvents(2, 50));
      assert.deepEqual(offsetsOf((await follower.next()).value as LogRecord[]), range(2, 50));
      ended.abort();
      await follower.next();
      assert.equal(log.counters.fromBackend, 50);
    });

    test('a signal ends a follower without an error: before it starts, while it waits, between batches', async () => {
      const log = await open();
      await log.append(sampleEvents(1, 4));
      assert.deepEqual(await collect(log.follow({ from: 1, signal: AbortSignal.abort() })), []);
      const waiting = new AbortController();
      const waits = collect(log.follow({ from: 5, signal: waiting.signal }));
      setImmediate(() => waiting.abort());
      assert.deepEqual(await waits, []);
      assert.equal((await followUntil(log, 1, 2)).length, 4, 'a batch is not cut');
    });

    test('read ends at the head as it was at the call', async () => {
      const log = await open();
      await log.append(sampleEvents(1, 5));
      const reading = log.read({ from: 1, maxBatch: 2 });
      await log.append(sampleEvents(6, 5));
      assert.deepEqual(offsetsOf(await collect(reading)), range(1, 5));
    });

    test('C5: what waits is bounded; what was refused is not in the log, what was accepted is', async () => {
      const bytes = Buffer.byteLength(JSON.stringify(sampleEvent(1))) + 8;
      const log = await open({ maxWaitingBytes: 10 * bytes + 9 });
      const results = await Promise.allSettled(range(1, 15).map((n) => log.append([sampleEvent(n % 10)])));
      const refused = results.filter(({ status }) => status === 'rejected');
      assert.equal(refused.length, 5);
      for (const result of refused) if (result.status === 'rejected') hasCode('LOG_BACKPRESSURE')(result.reason);
      assert.equal(log.counters.refused.LOG_BACKPRESSURE, 5);
      assert.equal(log.head().offset, 10);
      await log.append([sampleEvent(1)]);
      await assert.rejects(log.append(sampleEvents(1, 20)), hasCode('EVENT_TOO_LARGE'));
      assert.equal(log.head().offset, 11);
    });

    test('C4: one commit has a bound, appends are not torn by it', async () => {
      const log = await open({ maxCommitBytes: 1000 });
      await Promise.all(range(0, 10).map((n) => log.append(sampleEvents(n * 5 + 1, 5))));
      assert.equal(log.counters.commits, 10);
      assert.deepEqual(
        idsOf(await collect(log.read({ from: 1 }))),
        range(1, 50).map((n) => `event-${n}`),
      );
    });

    test('close ends followers, keeps running appends, refuses new ones', async () => {
      const log = await open();
      const followed = collect(log.follow({ from: 1 }));
      const running = log.append(sampleEvents(1, 3));
      const closing = log.close();
      await assert.rejects(log.append([sampleEvent(4)]), hasCode('LOG_CLOSED'));
      assert.deepEqual((await running).offsets, [1, 2, 3]);
      await closing;
      assert.ok((await followed).length <= 3);
      await assert.rejects(collect(log.read({ from: 1 })), hasCode('LOG_CLOSED'));
      assert.throws(() => log.offsetAt(1), hasCode('LOG_CLOSED'));
      await log.close();
    });

    test('an offset that is none is refused', async () => {
      const log = await open();
      for (const from of [0, -1, 1.5, Number.NaN]) {
        await assert.rejects(collect(log.read({ from })), hasCode('OFFSET_INVALID'));
        await assert.rejects(collect(log.follow({ from })), hasCode('OFFSET_INVALID'));
      }
    });

    test('followers get what is stored, also where JSON changes a value', async () => {
      const log = await open();
      const document = { kind: 'Route', spec: { a: Number.NaN, b: undefined, c: new Date(0) } };
      const applied: EventEnvelope = { ...sampleEvent(1), type: 'policy.applied', subject: 'p', data: { document } };
      const followed = followUntil(log, 1, 1);
      await log.append([applied]);
      const stored = { document: { kind: 'Route', spec: { a: null, c: '1970-01-01T00:00:00.000Z' } } };
      assert.deepEqual((await followed)[0]?.event?.data, stored);
      assert.deepEqual((await collect(log.read({ from: 1 })))[0]?.event?.data, stored);
    });

    test('any text survives, byte for byte', async () => {
      const log = await open();
      const texts = ['ünïcödé 漢字 🌱', '\u0000\u001f\u2028', '\ud800 alone', '"\\/', '__proto__'];
      await log.append(texts.map((text, n) => sampleEvent(n, text)));
      const data = (await collect(log.read({ from: 1 }))).map(
        ({ event }) => event?.data as { labels: { padding: string } },
      );
      assert.deepEqual(
        data.map(({ labels }) => labels.padding),
        texts,
      );
    });

    test('what was appended is there when the log is opened again, unless it lives in memory', async () => {
      const place = await harness();
      const first = await place.open({ clock });
      await first.append(sampleEvents(1, 20));
      const before = await collect(first.read({ from: 1 }));
      const { recordedAt } = first.head();
      if (!ownTime) assert.equal(recordedAt, 1_000_000);
      await first.close();
      clock.time = 5;
      const second = await place.open({ clock });
      logs.push(second);
      if (!place.durable) return assert.equal(second.head().offset, 0);
      assert.deepEqual(second.head(), { offset: 20, recordedAt, first: 1 });
      assert.deepEqual(await collect(second.read({ from: 1 })), before);
      assert.deepEqual((await second.append([sampleEvent(21)])).offsets, [21]);
      if (!ownTime) assert.equal(second.head().recordedAt, 1_000_000);
    });

    test('property: any sequence of operations behaves like a plain array', async () => {
      await fc.assert(
        fc.asyncProperty(fc.commands(commands, { maxCommands: 25 }), async (run) => {
          const place = await harness();
          const time = new SteppingClock();
          const limits = { maxRecentRecords: 5 };
          const real: Real = { log: await place.open({ clock: time, limits }), place, clock: time, limits };
          try {
            await fc.asyncModelRun(() => ({ model: { records: [], next: 1 }, real }), run);
          } finally {
            await real.log.close();
          }
        }),
        { numRuns: runs },
      );
    });
  });
};

interface Model {
  records: { id: string; recordedAt: number }[];
  next: number;
}

interface Real {
  log: OpenedLog;
  readonly place: LogHarness;
  readonly clock: SteppingClock;
  readonly limits: Partial<LogLimits>;
}

type LogCommand = fc.AsyncCommand<Model, Real>;

const command = (text: string, run: (model: Model, real: Real) => Promise<void>): LogCommand => ({
  check: () => true,
  run,
  toString: () => text,
});

/** C2 of a log whose times come from elsewhere. */
const checkOwnTime = async (log: OpenedLog): Promise<void> => {
  for (let n = 1; n <= 6; n++) await log.append([sampleEvent(n)]);
  const times = (await collect(log.read({ from: 1 }))).map(({ recordedAt }) => recordedAt);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  for (const time of [0, ...times, 9e15]) {
    assert.equal(log.offsetAt(time), times.findLastIndex((recordedAt) => recordedAt <= time) + 1);
  }
};

const note = (model: Model, clock: Clock, count: number): void => {
  const recordedAt = Math.max(model.records.at(-1)?.recordedAt ?? 0, clock.now());
  for (let n = 0; n < count; n++) model.records.push({ id: `event-${model.next++}`, recordedAt });
};

const compare = (model: Model, from: number, records: readonly LogRecord[], { place }: Real): void => {
  // The model takes over times that are not the clock's.
  if (place.ownTime)
    for (const { offset, recordedAt } of records) {
      const noted = model.records[offset - 1];
      if (noted !== undefined) noted.recordedAt = recordedAt;
    }
  assert.deepEqual(
    records.map(({ offset, recordedAt, event }) => ({ offset, id: event?.id, recordedAt })),
    model.records.slice(from - 1).map(({ id, recordedAt }, index) => ({ offset: from + index, id, recordedAt })),
  );
};

const commands: fc.Arbitrary<LogCommand>[] = [
  fc.integer({ min: 0, max: 6 }).map((count) =>
    command(`append ${count}`, async (model, real) => {
      const first = model.next;
      note(model, real.clock, count);
      const { offsets } = await real.log.append(sampleEvents(first, count));
      assert.deepEqual(offsets, range(first, count));
    }),
  ),
  fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 6 }).map((counts) =>
    command(`append at once ${counts.join()}`, async (model, real) => {
      const sent = counts.map((count) => {
        const first = model.next;
        note(model, real.clock, count);
        return real.log.append(sampleEvents(first, count));
      });
      await Promise.all(sent);
    }),
  ),
  fc.integer({ min: -5000, max: 5000 }).map((step) =>
    command(`clock ${step}`, async (_, real) => {
      real.clock.time = Math.max(0, real.clock.time + step);
    }),
  ),
  fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 9 })).map(([at, maxBatch]) =>
    command(`read from ${at} by ${maxBatch}`, async (model, real) => {
      const from = 1 + Math.floor(at * model.records.length);
      compare(model, from, await collect(real.log.read({ from, maxBatch })), real);
    }),
  ),
  fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 4 })).map(([at, count]) =>
    command(`follow from ${at}, append ${count}`, async (model, real) => {
      const from = 1 + Math.floor(at * model.records.length);
      const followed = followUntil(real.log, from, model.records.length - from + 1 + count);
      const first = model.next;
      note(model, real.clock, count);
      await real.log.append(sampleEvents(first, count));
      compare(model, from, await followed, real);
    }),
  ),
  fc.integer({ min: 990_000, max: 1_060_000 }).map((time) =>
    command(`offsetAt ${time}`, async (model, real) => {
      if (real.place.ownTime) compare(model, 1, await collect(real.log.read({ from: 1 })), real);
      const expected = model.records.findLastIndex(({ recordedAt }) => recordedAt <= time) + 1;
      assert.equal(real.log.offsetAt(time), expected);
    }),
  ),
  fc.constant(
    command('open again', async (model, real) => {
      if (!real.place.durable) return;
      await real.log.close();
      real.log = await real.place.open({ clock: real.clock, limits: real.limits });
      compare(model, 1, await collect(real.log.read({ from: 1 })), real);
    }),
  ),
];
