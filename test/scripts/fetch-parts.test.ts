/** scripts/fetch-parts.mjs with the real pip on a wheel of our own in a folder, so without the network. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { repositoryRoot } from '../support/root.ts';

const pip = spawnSync('python3', ['-m', 'pip', '--version']);
const folder = mkdtempSync(join(tmpdir(), 'tendril-fetch-parts-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const WHEEL = 'tinypart-1.0-py3-none-any.whl';
const BUILD = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    wheel.writestr('tinypart/tiny', '#!/bin/sh\\necho tiny 1.0\\n')
    wheel.writestr('tinypart-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: tinypart\\nVersion: 1.0\\n')
    wheel.writestr('tinypart-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr('tinypart-1.0.dist-info/RECORD', '')
`;

interface Ran {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly errors: string;
}

let number = 0;
const fetchParts = (options: {
  readonly sha256?: string;
  readonly lock?: string;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly into?: string;
}): Ran => {
  const lock = join(folder, `${number++}.lock.json`);
  const part = {
    version: '1.0',
    kind: 'pip',
    package: 'tinypart',
    executable: 'tinypart/tiny',
    check: { args: [], prints: 'tiny 1.0' },
    sha256: { [`${process.platform}-${process.arch}`]: options.sha256 },
  };
  writeFileSync(lock, options.lock ?? JSON.stringify({ tiny: part }));
  const script = join(repositoryRoot, 'scripts/fetch-parts.mjs');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [script, '--lock', lock, '--into', options.into ?? join(folder, 'parts'), ...(options.args ?? [])],
    {
      encoding: 'utf8',
      env: { ...process.env, CI: '', PIP_NO_INDEX: '1', PIP_FIND_LINKS: folder, ...options.env },
    },
  );
  return { code: status, lines: stdout.split('\n').filter((line) => line !== ''), errors: stderr };
};

const WRONG = '0'.repeat(64);

describe('scripts/fetch-parts.mjs', () => {
  describe('with pip', { skip: pip.status === 0 ? false : 'no python3 with pip' }, () => {
    const wheel = join(folder, WHEEL);
    const checksum = (): string => {
      if (!existsSync(wheel)) assert.equal(spawnSync('python3', ['-c', BUILD, wheel]).status, 0);
      return createHash('sha256').update(readFileSync(wheel)).digest('hex');
    };

    test('another checksum than pinned: one line, nothing kept, exit code 1 with --require', () => {
      const found = checksum();
      const into = join(folder, 'wrong');
      const ran = fetchParts({ sha256: WRONG, args: ['--require'], into });
      assert.deepEqual(ran, {
        code: 1,
        lines: [
          'tiny 1.0: downloading tinypart …',
          `tiny: missing: checksum is ${found}, pinned is ${WRONG}: not used`,
        ],
        errors: '',
      });
      assert.deepEqual(readdirSync(into), []);
    });

    test('the pinned checksum: fetched, and there the next time; a changed pin does not take the old file', () => {
      const sha256 = checksum();
      const first = fetchParts({ sha256, args: ['--require'] });
      assert.deepEqual([first.code, first.lines.at(-1)], [0, 'tiny 1.0: fetched, checksum as pinned']);
      assert.deepEqual(fetchParts({ sha256, args: ['--require'] }).lines, ['tiny 1.0: there']);
      const changed = fetchParts({ sha256: WRONG });
      assert.equal(changed.code, 0);
      assert.match(changed.lines.at(-1) ?? '', /^tiny: missing: checksum is /);
    });
  });

  for (const [args, CI, code] of [
    [[], '', 0],
    [['--require'], '', 1],
    [[], 'true', 1],
  ] as const)
    test(`nothing on PATH: one line, exit code ${code} (${args.join()}${CI === '' ? '' : ' CI'})`, () => {
      const PATH = join(folder, 'nothing');
      mkdirSync(PATH, { recursive: true });
      const ran = fetchParts({ sha256: WRONG, args, env: { PATH, CI }, into: join(folder, `no-path-${number}`) });
      assert.deepEqual(ran, { code, lines: ['tiny: missing: python3 is not installed'], errors: '' });
    });

  test('a Java part without java or mvn: one line that says so', () => {
    const part = { version: '1', kind: 'maven', package: 'a:b', check: { args: [], prints: '' }, jars: {} };
    const empty = join(folder, 'no-programs');
    mkdirSync(empty, { recursive: true });
    const into = join(folder, 'java');
    const ran = fetchParts({ lock: JSON.stringify({ tiny: part }), env: { PATH: empty }, into });
    assert.deepEqual([ran.code, ran.lines], [0, ['tiny: missing: java is not installed (version 17 or newer)']]);
    assert.deepEqual(readdirSync(into), []);
  });

  test('an unknown part, an unknown option, a broken lock file: one line each', () => {
    const part = fetchParts({ sha256: WRONG, args: ['--require', 'huge'] });
    assert.deepEqual(part, { code: 1, lines: ['huge: missing: unknown part; known: tiny'], errors: '' });
    const option = fetchParts({ sha256: WRONG, args: ['--requires'] });
    assert.deepEqual([option.code, option.lines.length, option.errors], [2, 1, '']);
    assert.match(option.lines[0] ?? '', /^fetch-parts: usage: .*--requires/);
    const lock = fetchParts({ lock: '{' });
    assert.deepEqual([lock.code, lock.lines.length, lock.errors], [2, 1, '']);
    assert.match(lock.lines[0] ?? '', /^fetch-parts: lock file /);
  });
});
