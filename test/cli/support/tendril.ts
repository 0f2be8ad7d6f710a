/** The compiled CLI as a process: one command, a command that goes on, and a running `serve`. */
import assert from 'node:assert/strict';
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The compiled entry of the `tendril` command. */
export const MAIN = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));
const POLL_MS = 20;
/** Nothing here takes that long; a test that hangs must not hang for ever. */
const PATIENCE_MS = 120_000;

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Waits until `look` gives something. Fails with what `state` tells. */
export const until = async <T>(look: () => T | undefined | Promise<T | undefined>, state: () => string): Promise<T> => {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await sleep(POLL_MS)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  return assert.fail(`waited in vain: ${state()}`);
};

/** Removed by `cleanUp`. */
const folders: string[] = [];
const running = new Set<ChildProcess>();

export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tendril-cli-test-'));
  folders.push(folder);
  return folder;
};

/** For `after`: kills what a failed test left, by process, and removes the folders. */
export const cleanUp = (): void => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
};

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface Going {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly out: () => string;
  readonly err: () => string;
  readonly ended: Promise<Ended>;
  /** Waits for a match in stdout or stderr; fails when the process ends before. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
}

export interface StartOptions extends Pick<SpawnOptions, 'uid' | 'gid' | 'cwd'> {
  readonly env?: Readonly<Record<string, string>>;
}

/** Without the variables of the machine: they would set options. */
const environment = (more: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TENDRIL_'))),
  ...more,
});

/** Starts `tendril` and goes on. */
export const start = (args: readonly string[], options: StartOptions = {}): Going => {
  const { env = {}, ...rest } = options;
  const child = spawn(process.execPath, [MAIN, ...args], {
    ...rest,
    env: environment(env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  running.add(child);
  let [out, err] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk;
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    err += chunk;
  });
  child.stdin?.on('error', () => undefined);
  let over = false;
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    over = true;
    running.delete(child);
    return { code, signal, out, err };
  });
  return {
    child,
    pid: child.pid ?? assert.fail('no process'),
    out: () => out,
    err: () => err,
    ended,
    says: (pattern) =>
      until(
        () => {
          const found = pattern.exec(out) ?? pattern.exec(err);
          if (found === null && over) assert.fail(`ended without ${pattern}:\n${out}\n${err}`);
          return found ?? undefined;
        },
        () => `${pattern} in:\n${out}\n${err}`,
      ),
  };
};

/** Runs one command to its end. `input`: its standard input. */
export const tendril = (args: readonly string[], options: StartOptions & { readonly input?: string | Buffer } = {}) => {
  const { input, ...rest } = options;
  const going = start(args, rest);
  going.child.stdin?.end(input ?? '');
  return going.ended;
};

export interface Serve extends Going {
  /** `http://127.0.0.1:PORT` */
  readonly api: string;
  readonly xdsPort: number;
  readonly adminPort: number;
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<Ended>;
}

/** `tendril serve` on free ports, once it is ready. */
export const serve = async (args: readonly string[], options: StartOptions = {}): Promise<Serve> => {
  const going = start(
    ['serve', '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--log-level', 'warn', ...args],
    options,
  );
  const [, xdsPort, api = '', adminPort] = await going.says(
    /ready: xDS 127\.0\.0\.1:([0-9]+), API (http:\/\/127\.0\.0\.1:([0-9]+)),/,
  );
  return {
    ...going,
    api,
    xdsPort: Number(xdsPort),
    adminPort: Number(adminPort),
    stop: () => {
      going.child.kill('SIGTERM');
      return going.ended;
    },
  };
};

export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** One of /proc, which costs a tenth of starting `ps`; undefined when it ended meanwhile. */
const processOfProc = (pid: string): ProcessRow | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state = 'Z', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return { pid: Number(pid), parent: Number(parent), command };
  } catch {
    return undefined;
  }
};

const processesOfPs = (): readonly ProcessRow[] =>
  spawnSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,args='], { encoding: 'utf8' })
    .stdout.split('\n')
    .flatMap((line) => {
      const [, pid, parent, stat = 'Z', command = ''] = /^\s*([0-9]+)\s+([0-9]+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
      return stat.startsWith('Z') ? [] : [{ pid: Number(pid), parent: Number(parent), command }];
    });

/** All processes that live (zombies do not). */
export const processes = (): readonly ProcessRow[] =>
  existsSync('/proc/self/stat')
    ? readdirSync('/proc').flatMap((name) => (/^[0-9]/.test(name) ? (processOfProc(name) ?? []) : []))
    : processesOfPs();

/** Processes started by `pid`, and by those. */
export const descendants = (pid: number): readonly ProcessRow[] => {
  const all = processes();
  const found: ProcessRow[] = [];
  const parents = [pid];
  for (let parent = parents.pop(); parent !== undefined; parent = parents.pop())
    for (const row of all)
      if (row.parent === parent) {
        found.push(row);
        parents.push(row.pid);
      }
  return found;
};

/** Waits until none of the processes lives. */
export const gone = (rows: readonly ProcessRow[]): Promise<true> => {
  const left = (): readonly ProcessRow[] => {
    const alive = new Set(processes().map(({ pid }) => pid));
    return rows.filter(({ pid }) => alive.has(pid));
  };
  return until(
    () => (left().length === 0 ? true : undefined),
    () =>
      `still there: ${left()
        .map(({ pid, command }) => `${pid} ${command}`)
        .join('\n')}`,
  );
};

/** The error as a person sees it: code, sentence and what to do, all on stderr, nothing on stdout. */
export const assertRefused = (ended: Ended, code: string, ...words: readonly (string | RegExp)[]): void => {
  assert.equal(ended.code, 1, `exit code; stderr:\n${ended.err}`);
  assert.match(ended.err, new RegExp(`error ${code}: \\S`), ended.err);
  assert.match(ended.err, /^ {2}try: \S/m, `no remedy:\n${ended.err}`);
  for (const word of words)
    assert.ok(
      typeof word === 'string' ? ended.err.includes(word) : word.test(ended.err),
      `${word} missing in:\n${ended.err}`,
    );
  assert.equal(ended.out, '', 'an error writes nothing to stdout');
};
