/** What `tendril serve` says when it cannot start, and how it ends (issue 3, section 10; contracts, "Process"). */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { portOf } from '../support/ports.ts';

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const folders: string[] = [];
const running: ChildProcess[] = [];
after(() => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'tendril-start-'));
  folders.push(made);
  return made;
};

interface Serving {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  readonly exit: Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

const serve = (...options: string[]): Serving => {
  const all = ['serve', '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--log-level', 'error', ...options];
  const child = spawn(process.execPath, [CLI, ...all], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  let [output, errors] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString('utf8');
  });
  const exit = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  return { child, output: () => output, errors: () => errors, exit };
};

const ready = async (serving: Serving): Promise<void> => {
  for (;;) {
    if (serving.output().includes('tendril is ready')) return;
    if (serving.child.exitCode !== null) assert.fail(`serve ended: ${serving.errors()}`);
    await new Promise((next) => setTimeout(next, 20));
  }
};

/** It ends with exit code 1 and says all of it on stderr. */
const refused = async (serving: Serving, ...words: readonly (string | RegExp)[]): Promise<void> => {
  const { code } = await serving.exit;
  assert.equal(code, 1, serving.errors());
  for (const word of words)
    assert.ok(
      typeof word === 'string' ? serving.errors().includes(word) : word.test(serving.errors()),
      `${word} in:\n${serving.errors()}`,
    );
};

const stopped = async (serving: Serving): Promise<void> => {
  serving.child.kill('SIGTERM');
  assert.deepEqual(await serving.exit, { code: 0, signal: null }, serving.errors());
};

describe('serve cannot start', () => {
  test('a port in use, for HTTP and for xDS, alone and with a worker process', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const taken = `127.0.0.1:${portOf(server)}`;
    try {
      await refused(serve('--workers', '0', '--log', 'memory', '--admin', taken), 'PORT_IN_USE', taken, '--admin');
      await refused(serve('--workers', '0', '--log', 'memory', '--xds', taken), 'PORT_IN_USE', taken, '--xds');
      await refused(serve('--workers', '1', '--log', 'memory', '--xds', taken), 'PORT_IN_USE', taken, '--xds');
    } finally {
      server.close();
    }
  });

  test('a data directory that another one serves; afterwards it is free again', async () => {
    const data = folder();
    const first = serve('--workers', '0', '--data', data);
    await ready(first);
    await refused(serve('--workers', '0', '--data', data), 'LOG_LOCKED', String(first.child.pid));
    await stopped(first);
    const again = serve('--workers', '0', '--data', data);
    await ready(again);
    await stopped(again);
  });

  test('data of another mesh, and other suffixes without --reconfigure', async () => {
    const data = folder();
    const first = serve('--workers', '0', '--data', data, '--mesh', 'one');
    await ready(first);
    await stopped(first);
    await refused(serve('--workers', '0', '--data', data, '--mesh', 'two'), 'MESH_MISMATCH', 'one', 'two');
    const suffixes = ['--workers', '0', '--data', data, '--mesh', 'one', '--mesh-suffixes', '.corp'];
    await refused(serve(...suffixes), 'MESH_SUFFIXES_DIFFER', '.mesh.local', '--reconfigure');
    const changed = serve(...suffixes, '--reconfigure');
    await ready(changed);
    await stopped(changed);
  });

  test('a data directory that cannot be written: a file stands in its place', async () => {
    const file = join(folder(), 'data');
    writeFileSync(file, 'not a directory');
    await refused(serve('--workers', '0', '--data', file), 'DATA_NOT_WRITABLE', file);
  });

  test('an address that is not loopback, brokers that are not there, and a wrong option', async () => {
    await refused(serve('--admin', '0.0.0.0:0'), 'BIND_REFUSED', '--insecure-bind');
    await refused(serve('--log', 'kafka://127.0.0.1:1/mesh', '--data', folder()), 'LOG_AWAY', 'brokers');
    await refused(serve('--worker', '1'), 'USAGE', /did you mean --workers/);
  });
});

describe('serve ends', () => {
  test('by SIGTERM, with a worker process: exit code 0, nothing left', async () => {
    const data = folder();
    const serving = serve('--workers', '1', '--data', data);
    await ready(serving);
    await stopped(serving);
    const again = serve('--workers', '0', '--data', data);
    await ready(again);
    await stopped(again);
  });

  test('by SIGTERM while it starts', async () => {
    const serving = serve('--workers', '1', '--data', folder());
    await new Promise((next) => setTimeout(next, 300));
    serving.child.kill('SIGTERM');
    const { signal } = await serving.exit;
    assert.ok(signal === null || signal === 'SIGTERM');
  });
});
