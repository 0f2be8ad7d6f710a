/** F-power of reference/reliability.md, section 4b: a traced writer, and what a power cut would have left of it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { feed, withSystem } from '../projector/harness.ts';
import { initialEvents, MESH } from '../projector/mesh-events.ts';
import { skipLoudly, temporaryDirectory } from '../store/support.ts';
import { whyNoStrace } from '../support/strace.ts';
import { requireAcknowledged } from './authors.ts';
import { type FaultRun, faultRun } from './fault-run.ts';
import { imageAt } from './power-image.ts';
import { Replay, readLog, requireReplayed } from './replay.ts';
import { readTrace, STRACE, type Traced } from './write-trace.ts';

const FILES = ['log/data.mdb', 'state/data.mdb'];
const DROPS = [0, 0.5, 0.9, 1];
/** Images made of one trace. */
const PER_TRACE = 50;
const BATCHES = 25;

const childModule = fileURLToPath(new URL('./power-child.js', import.meta.url));

interface Run {
  readonly traced: readonly Traced[];
  /** The files before it. */
  readonly before: ReadonlyMap<string, Buffer>;
}

/** A disk whose every `fdatasync` takes so much longer, µs: more waits to be written at any moment. */
const SLOW_SYNC = ['-e', 'inject=fdatasync:delay_exit=15000'];

export interface PowerOptions {
  readonly slowDisk: boolean;
}

const traceRun = async (context: TestContext, run: FaultRun, slowDisk: boolean): Promise<Run> => {
  const dir = temporaryDirectory(context);
  await withSystem(dir, (system) => feed(system, ...initialEvents({ services: 10, endpoints: 4 })));
  const before = new Map(FILES.map((file) => [file, readFileSync(join(dir, file))]));
  const trace = join(temporaryDirectory(context), 'trace');
  const args = [
    ...STRACE,
    ...(slowDisk ? SLOW_SYNC : []),
    '-o',
    trace,
    process.execPath,
    childModule,
    dir,
    String(run.between(1, 1e6)),
    String(BATCHES),
  ];
  const child = spawn('strace', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  context.after(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.once('exit', resolve));
  const text = readFileSync(trace, 'latin1');
  if (slowDisk) assert.ok(text.includes('(DELAYED)'), 'no sync was slow');
  const traced = readTrace(text, (path) => FILES.some((file) => path === join(dir, file))).map((one) =>
    'file' in one ? { ...one, file: one.file.slice(dir.length + 1) } : one,
  );
  assert.ok(traced.length > 100, `${traced.length} calls were traced`);
  return { traced, before };
};

/** Gives how many acknowledged events were checked, and how far the state was behind the log. */
const checkImage = async (context: TestContext, { traced, before }: Run, run: FaultRun): Promise<number> => {
  // Not while it only starts.
  const moment = run.between(traced.find(({ call }) => call === 'line')?.begin ?? 0, traced.at(-1)?.end ?? 0);
  const drop = DROPS[run.between(0, DROPS.length - 1)] ?? 1;
  const dir = temporaryDirectory(context);
  for (const file of FILES) {
    mkdirSync(dirname(join(dir, file)), { recursive: true, mode: 0o700 });
    const image = imageAt(traced, file, before.get(file) ?? Buffer.alloc(0), { moment, drop, random: run.random });
    writeFileSync(join(dir, file), image);
  }
  const acknowledged = traced.flatMap((one) => {
    if (one.call !== 'line' || one.begin > moment) return [];
    const [first, ids = ''] = one.text.split(' ');
    return ids.split(',').map((id, index) => ({ offset: Number(first) + index, id }));
  });
  const what = `cut at line ${moment}, ${drop * 100} % of what was not synced is lost`;
  try {
    await withSystem(dir, async ({ log, projector, lines }) => {
      requireAcknowledged(await readLog(dir, MESH), acknowledged);
      assert.ok(!lines.has('warn', 'made anew') && !lines.has('warn', 'emptied'), JSON.stringify(lines.all));
      assert.equal(projector.notice.offset, log.head().offset);
      assert.equal(projector.proof()?.hash, await new Replay(dir, MESH).hashAt(projector.notice.offset));
    });
    await requireReplayed(dir, { mesh: MESH });
  } catch (error) {
    throw new Error(`${what}: ${String(error)}`, { cause: error });
  }
  rmSync(dir, { recursive: true });
  return acknowledged.length;
};

export const powerRounds = async (
  context: TestContext,
  count: number,
  { slowDisk }: PowerOptions = { slowDisk: false },
): Promise<void> => {
  const why = whyNoStrace();
  if (why !== undefined) return skipLoudly(context, why);
  const run = faultRun('POWER', count);
  // LMDB keeps the boot of its last writer and believes a file of the same boot; after a power cut it is another.
  const restore = process.env.LMDB_RESTORE;
  process.env.LMDB_RESTORE = 'safe';
  context.after(() => {
    if (restore === undefined) delete process.env.LMDB_RESTORE;
    else process.env.LMDB_RESTORE = restore;
  });
  let checked = 0;
  let traces = 0;
  let now: Run | undefined;
  for (let image = 0; image < run.count; image++) {
    if (now === undefined || image % PER_TRACE === 0) {
      now = await traceRun(context, run, slowDisk);
      traces++;
    }
    checked += await checkImage(context, now, run);
  }
  assert.ok(checked > run.count * 10, `${checked} acknowledged events were checked`);
  context.diagnostic(`${run.count} images of ${traces} traces, ${checked} acknowledged events looked for, 0 lost`);
};
