/**
 * The background scrub of a core: when a pass begins, what it has found, when it rests. The reading is done by a process of its own
 * (pass.ts); this keeps the time and the findings.
 *
 * Invariants
 * R1 At most one pass runs. The next one by itself begins `hours` after the last one ended, or 10 min after the start of a core
 *    that knows of none; over restarts too (`data/scrub.json`).
 * R2 While the core is `busy` the pass rests.
 * R3 A pass whose process dies, or is silent for 2 min without resting, is a finding of its own: at the part that it was reading.
 *    It is damage only when the process had said which table it reads, and died as one dies of a damaged file.
 * R4 100 findings are kept, all are counted.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TendrilError } from '../../model/index.ts';
import type { StoreLogger } from '../../store/index.ts';
import type { FromScrub, ScrubFinding, ScrubJob, ScrubPart, ToScrub } from './messages.ts';

const PROCESS = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../processes/scrub.ts' : '../processes/scrub.js', import.meta.url),
);
const HOUR_MS = 3_600_000;
const FIRST_MS = 600_000;
const LOOK_MS = 250;
const SILENT_MS = 120_000;
const BYTES_PER_SECOND = 8 * 1024 * 1024;
const MAX_FINDINGS = 100;
/** How a process ends that reads a damaged file. */
const ENDS_OF_DAMAGE: ReadonlySet<string> = new Set(['SIGBUS', 'SIGSEGV', 'SIGABRT']);

export interface ScrubOptions {
  readonly dir: string;
  readonly mesh: string;
  /** Between the end of one pass and the next; 0: only when it is asked for. */
  readonly hours: number;
  /** Wall clock, ms. */
  readonly now: () => number;
  readonly logger: StoreLogger;
  /** Others need disk and processor now. */
  readonly busy: () => boolean;
  readonly onFinding: (finding: ScrubFinding) => void;
  /** Default 8 MiB. */
  readonly bytesPerSecond?: number;
}

export interface ScrubPass {
  /** ms since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly records: number;
  readonly bytes: number;
  readonly findings: readonly ScrubFinding[];
  readonly findingCount: number;
  /** False: its process ended before it had read everything. */
  readonly complete: boolean;
}

interface Running {
  readonly child: ChildProcess;
  readonly startedAt: number;
  part: ScrubPart;
  table: string;
  records: number;
  bytes: number;
  findings: ScrubFinding[];
  findingCount: number;
  heardAt: number;
  paused: boolean;
  complete: boolean;
}

export interface ScrubStatus {
  readonly running:
    | (Omit<Running, 'child' | 'heardAt' | 'complete'> & { readonly pid: number | undefined })
    | undefined;
  readonly last: ScrubPass | undefined;
  /** ms since the epoch; undefined: none by itself. */
  readonly nextAt: number | undefined;
}

export class Scrub {
  /** Passes ended, records and bytes read, findings; since the start of the core. */
  readonly counters = { passes: 0, records: 0, bytes: 0, findings: 0 };
  readonly #options: ScrubOptions;
  readonly #file: string;
  readonly #timer: NodeJS.Timeout;
  #nextAt: number | undefined;
  #last: ScrubPass | undefined;
  #running: Running | undefined;

  constructor(options: ScrubOptions) {
    this.#options = options;
    this.#file = join(options.dir, 'scrub.json');
    this.#last = readLast(this.#file);
    this.#plan();
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  status(): ScrubStatus {
    const running = this.#running;
    if (running === undefined) return { running, last: this.#last, nextAt: this.#nextAt };
    const { child, heardAt, complete, ...shown } = running;
    return { running: { pid: child.pid, ...shown }, last: this.#last, nextAt: this.#nextAt };
  }

  /** Findings of the pass that runs, or of the last one. */
  findings(): { readonly count: number; readonly first: ScrubFinding | undefined } {
    const of = this.#running !== undefined && this.#running.findingCount > 0 ? this.#running : this.#last;
    return { count: of?.findingCount ?? 0, first: of?.findings[0] };
  }

  /** Begins a pass now. @throws TendrilError `SCRUB_RUNNING`. */
  start(): void {
    if (this.#running !== undefined)
      throw new TendrilError('SCRUB_RUNNING', 'a pass of the scrub is running already', {
        remedy: 'GET /v1/scrub tells how far it is',
      });
    const { dir, mesh, now, bytesPerSecond = BYTES_PER_SECOND } = this.#options;
    const job: ScrubJob = { dir, mesh, bytesPerSecond };
    const child = fork(PROCESS, [JSON.stringify(job)], { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const running: Running = {
      child,
      startedAt: now(),
      // The one that is opened first (pass.ts).
      part: 'state',
      table: '',
      records: 0,
      bytes: 0,
      findings: [],
      findingCount: 0,
      heardAt: performance.now(),
      paused: false,
      complete: false,
    };
    this.#running = running;
    child.on('message', (message: FromScrub) => this.#heard(running, message));
    child.on('error', (error) => this.#ended(running, error.message));
    // Not `exit`, which may come before the last messages.
    child.once('close', (code, signal) => this.#ended(running, signal ?? `exit code ${code}`));
  }

  close(): void {
    clearInterval(this.#timer);
    const running = this.#running;
    this.#running = undefined;
    running?.child.kill('SIGKILL');
  }

  /** R1 */
  #plan(): void {
    const { hours, now } = this.#options;
    const pause = hours * HOUR_MS;
    const due = this.#last === undefined ? now() + Math.min(FIRST_MS, pause) : this.#last.endedAt + pause;
    this.#nextAt = hours === 0 ? undefined : due;
  }

  #look(): void {
    const { now, busy } = this.#options;
    const running = this.#running;
    if (running === undefined) {
      if (now() >= (this.#nextAt ?? Number.POSITIVE_INFINITY) && !busy()) this.#startDue();
      return;
    }
    // R2
    const rests = busy();
    if (rests !== running.paused && running.child.connected) {
      running.paused = rests;
      running.heardAt = performance.now();
      running.child.send({ t: 'pause', on: rests } satisfies ToScrub, () => undefined);
    }
    if (!rests && performance.now() - running.heardAt > SILENT_MS) running.child.kill('SIGKILL');
  }

  /** A machine without memory for a process now may have it later. */
  #startDue(): void {
    try {
      this.start();
    } catch (error) {
      this.#nextAt = this.#options.now() + FIRST_MS;
      this.#options.logger.warn({ err: error }, 'the scrub cannot be started; it is tried again in 10 min');
    }
  }

  #heard(running: Running, message: FromScrub): void {
    running.heardAt = performance.now();
    if (message.t === 'finding') this.#found(running, message.finding);
    else {
      running.records = message.records;
      running.bytes = message.bytes;
      if (message.t === 'progress') {
        running.part = message.part;
        running.table = message.table;
      } else running.complete = true;
    }
  }

  /** R4 */
  #found(running: Running, finding: ScrubFinding): void {
    running.findingCount++;
    this.counters.findings++;
    if (running.findings.length >= MAX_FINDINGS) return;
    running.findings.push(finding);
    this.#options.logger.error({ ...finding }, `scrub: ${finding.part} ${finding.where}: ${finding.message}`);
    this.#options.onFinding(finding);
  }

  /** R3 */
  #ended(running: Running, how: string): void {
    if (this.#running !== running) return;
    if (!running.complete) {
      const where = running.table === '' ? 'opening' : `table ${running.table}`;
      const isDamage = running.table !== '' && ENDS_OF_DAMAGE.has(how);
      const code = isDamage ? (running.part === 'log' ? 'LOG_CORRUPT' : 'CORRUPT_RECORD') : 'SCRUB_FAILED';
      this.#found(running, {
        part: running.part,
        code,
        where,
        message: `the process that read it ended with ${how}`,
        remedy: '`tendril verify --data DIR` tells how far the damage goes',
      });
    }
    this.#running = undefined;
    const { startedAt, records, bytes, findings, findingCount, complete } = running;
    this.#last = { startedAt, endedAt: this.#options.now(), records, bytes, findings, findingCount, complete };
    this.counters.passes++;
    this.counters.records += records;
    this.counters.bytes += bytes;
    this.#plan();
    this.#options.logger.info({ records, bytes, findings: findingCount, complete }, 'a pass of the scrub has ended');
    try {
      writeFileSync(this.#file, `${JSON.stringify(this.#last)}\n`, { mode: 0o600 });
    } catch (error) {
      // Then the next start begins earlier.
      this.#options.logger.warn({ err: error }, 'the end of the scrub cannot be written down');
    }
  }
}

const readLast = (file: string): ScrubPass | undefined => {
  try {
    const last = JSON.parse(readFileSync(file, 'utf8')) as ScrubPass;
    return typeof last.endedAt === 'number' && Array.isArray(last.findings) ? last : undefined;
  } catch {
    return undefined;
  }
};
