/** F-eio of reference/reliability.md, section 4b: the n-th call to the disk fails, once or from then on. strace plays the disk. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openEventLog } from '../../src/log/index.ts';
import { Projector } from '../../src/projector/index.ts';
import { MESH, sampleEvents } from '../log/sample-events.ts';
import { skipLoudly, temporaryDirectory } from '../store/support.ts';
import { whyNoStrace } from '../support/strace.ts';
import { type Acknowledged, requireAcknowledged } from './authors.ts';
import { faultRun } from './fault-run.ts';
import { Replay, readLog } from './replay.ts';

const CALLS = ['fdatasync', 'pwrite64', 'writev'] as const;
/** Calls that fail: the first to this one. */
const LAST_CALL = 50;
const EXISTING = 20;

const childModule = fileURLToPath(new URL('./eio-child.js', import.meta.url));

interface Told {
  readonly acknowledged: readonly Acknowledged[];
  /** Everything that is no acknowledgement. */
  readonly others: readonly string[];
  readonly end: string;
}

const runWithDisk = (context: TestContext, dir: string, inject: string): Promise<Told> =>
  new Promise((resolve) => {
    const [call = ''] = inject.split(':');
    const trace = ['-f', '-qq', '-o', '/dev/null', '-P', join(dir, 'log', 'data.mdb'), '-e', `trace=${call}`];
    // One thread, because strace counts the calls of each thread.
    const child = spawn('strace', [...trace, '-e', `inject=${inject}`, process.execPath, childModule, dir], {
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    context.after(() => child.kill('SIGKILL'));
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.resume(); // lmdb-js writes its error there
    child.once('close', (code, signal) => {
      const lines = output.split('\n').slice(0, -1);
      const acknowledged = lines.flatMap((line) => {
        const [, offset, id = ''] = /^ack ([0-9]+) (.*)$/.exec(line) ?? [];
        return offset === undefined ? [] : [{ offset: Number(offset), id }];
      });
      const others = lines.filter((line) => !line.startsWith('ack '));
      resolve({ acknowledged, others, end: signal ?? `exit code ${code}` });
    });
  });

export const eioRounds = async (context: TestContext, count: number): Promise<void> => {
  const why = whyNoStrace();
  if (why !== undefined) return skipLoudly(context, why);
  const run = faultRun('EIO', count);
  const ends = new Map<string, number>();
  let failed = 0;
  for (let round = 0; round < run.count; round++) {
    const dir = temporaryDirectory(context);
    const before = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: Date });
    await before.append(sampleEvents(1, EXISTING));
    await before.close();
    const call = CALLS[round % CALLS.length] ?? 'fdatasync';
    // The first disk fails for certain: a later call may never come.
    const [last, forGood] = round === 0 ? [5, true] : [LAST_CALL, run.random() < 0.5];
    const inject = `${call}:error=EIO:when=${run.between(1, last)}${forGood ? '+' : ''}`;
    const { acknowledged, others, end } = await runWithDisk(context, dir, inject);
    ends.set(end, (ends.get(end) ?? 0) + 1);
    const records = await readLog(dir, MESH);
    requireAcknowledged(records, acknowledged);
    const told = `${inject}: ${others.join(', ')}; ended with ${end}`;
    for (const line of others)
      assert.match(
        line,
        /^(?:refused LOG_READ_ONLY|unreadable LOG_READ_ONLY|readable [0-9]+|not opened [A-Z_]+)$/,
        told,
      );
    if (others.some((line) => line.startsWith('refused') || line.startsWith('not opened'))) failed++;
    // lmdb 3.5.6 may damage its heap when a write fails (reference/reliability.md, finding 1): then the process is gone, and no event.
    if (end === 'exit code 0') assert.equal(records.length, EXISTING + acknowledged.length, told);
    else assert.match(end, /^(?:SIGABRT|SIGSEGV|exit code 13[49])$/, told);
    const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: Date });
    const projector = await Projector.open({ dir, log, mesh: MESH, clock: Date });
    assert.equal(projector.proof()?.hash, await new Replay(dir, MESH).hashAt(records.length), told);
    await projector.close();
    await log.close();
  }
  assert.ok(failed > 0, 'no disk failed');
  const how = [...ends].map(([end, times]) => `${times} x ${end}`).join(', ');
  context.diagnostic(`${run.count} disks, ${failed} of them failed the writer; it ended with ${how}`);
};
