/** F-reader of reference/reliability.md, section 4b: readers that hold a transaction and are killed, while somebody writes. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Environment, openEnvironment } from '../../src/store/index.ts';
import { until } from '../cli/support/tendril.ts';
import { nextMessage, temporaryDirectory } from '../store/support.ts';
import { faultRun } from './fault-run.ts';

export const READER_ENVIRONMENT = {
  name: 'state',
  mesh: 'm',
  schema: { name: 'readers', version: 1 },
  mode: 'visible',
  // Fewer places than readers will die.
  maxReaders: 32,
} as const;

const ROWS = 2_000;
const ROW_BYTES = 4_000;
/** Rows that one commit changes. */
const CHANGED = 50;
const AT_ONCE = 5;
const READER_CHECK_MS = 100;

const childModule = new URL('./reader-child.js', import.meta.url);

const bytesOf = (dir: string): number => statSync(join(dir, READER_ENVIRONMENT.name, 'data.mdb')).size;

/** As large as the file is when it holds each row once. */
const liveBytes = async (context: TestContext): Promise<number> => {
  const dir = temporaryDirectory(context);
  const environment = await openEnvironment({ ...READER_ENVIRONMENT, dir });
  const table = environment.table<number>('rows');
  await environment.commit((batch) => {
    for (let row = 0; row < ROWS; row++) batch.put(table, row, Buffer.alloc(ROW_BYTES, 1));
  });
  await environment.close();
  return bytesOf(dir);
};

export const readerRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('READER', count);
  const live = await liveBytes(context);
  const dir = temporaryDirectory(context);
  const environment: Environment = await openEnvironment({
    ...READER_ENVIRONMENT,
    dir,
    readerCheckMs: READER_CHECK_MS,
  });
  const table = environment.table<number>('rows');
  const value = new Map<number, number>();
  const change = (): Promise<void> =>
    environment.commit((batch) => {
      for (let n = 0; n < CHANGED; n++) {
        const row = run.between(0, ROWS - 1);
        const byte = run.between(0, 255);
        value.set(row, byte);
        batch.put(table, row, Buffer.alloc(ROW_BYTES, byte));
      }
    });
  await environment.commit((batch) => {
    for (let row = 0; row < ROWS; row++) batch.put(table, row, Buffer.alloc(ROW_BYTES, 1));
  });
  const alive: ChildProcess[] = [];
  context.after(() => {
    for (const child of alive) child.kill('SIGKILL');
  });
  let killed = 0;
  while (killed < run.count) {
    const children = Array.from({ length: Math.min(AT_ONCE, run.count - killed) }, () =>
      fork(childModule, [dir], { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
    );
    alive.push(...children);
    // Rejects when a reader finds no place.
    await Promise.all(children.map(nextMessage));
    await change();
    // Whoever opens the environment finds those that died before; the dead of this round only the writer can find.
    const found = environment.counters.deadReaders;
    const ended = children.map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(ended);
    alive.length = 0;
    killed += children.length;
    // All of them: what one of them holds grows with what is written until it is found.
    await until(
      () => (environment.counters.deadReaders >= found + children.length ? true : undefined),
      () =>
        `the writer finds ${environment.counters.deadReaders - found} of ${children.length} readers that were killed`,
    );
    for (let n = 0; n < 4; n++) await change();
  }
  const before = bytesOf(dir);
  for (let n = 0; n < (2 * ROWS) / CHANGED; n++) await change();
  await environment.flushed();
  const after = bytesOf(dir);
  assert.ok(after <= 2 * live, `${before} bytes, then ${after}, for ${live} of live data`);
  for (const [row, byte] of value) assert.equal(table.get(row)?.[ROW_BYTES - 1], byte, `row ${row}`);
  await environment.close();
  context.diagnostic(
    `${killed} readers killed, ${environment.counters.deadReaders} found by the writer; file ${before} bytes, ${after} after everything was written twice more, live ${live}`,
  );
};
