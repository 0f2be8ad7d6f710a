/** The table of docs/protocol.md, section 6, and the tests of this folder say the same. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from '../../support/root.ts';

const RULES = 73;
const folder = join(repositoryRoot, 'test/delta-xds/checklist');

interface Row {
  readonly rule: number;
  readonly cells: readonly string[];
}

const rows = (): readonly Row[] => {
  const text = readFileSync(join(repositoryRoot, 'docs/protocol.md'), 'utf8');
  const section = /^## 6\.[\s\S]*?(?=^## 7\.)/m.exec(text)?.[0] ?? '';
  return section.split('\n').flatMap((line) => {
    const cells = line.split('|').map((cell) => cell.trim());
    return /^[0-9]+$/.test(cells[1] ?? '') ? [{ rule: Number(cells[1]), cells: cells.slice(2, -1) }] : [];
  });
};

/** `rule <number>: <text>` of every test of this folder. */
const titles = (): readonly string[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith('.test.ts'))
    .flatMap((file) => [
      ...readFileSync(join(folder, file), 'utf8').matchAll(/\btest\(\s*(['"`])(rule [0-9]+: .*?)\1,/g),
    ])
    .map(([, , title = '']) => title);

test('the table has every rule once, in order, with what we do, a test and a word on deviations', () => {
  assert.deepEqual(
    rows().map(({ rule }) => rule),
    Array.from({ length: RULES }, (_, index) => index + 1),
  );
  for (const { rule, cells } of rows()) {
    assert.equal(cells.length, 3, `rule ${rule}: ${cells.length + 1} columns`);
    for (const cell of cells) assert.notEqual(cell, '', `rule ${rule} has an empty cell`);
  }
});

test('every test named in the table exists, and every test of a rule is named in its row', () => {
  const named = rows().flatMap(({ rule, cells }) => {
    const found = [...(cells[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, text = '']) => `rule ${rule}: ${text}`);
    assert.ok(found.length > 0, `rule ${rule} names no test`);
    return found;
  });
  assert.equal(new Set(titles()).size, titles().length, 'titles are unlike');
  assert.deepEqual([...named].sort(), [...titles()].sort());
});

test('every transcript named in the table exists', () => {
  const transcripts = rows().flatMap(({ cells }) => [...(cells[1] ?? '').matchAll(/(?<![*`\w])\*([\w-]+)\*/g)]);
  assert.ok(transcripts.length > 10);
  for (const [, name] of transcripts)
    assert.ok(
      existsSync(join(repositoryRoot, 'test/delta-xds/transcripts', `${name}.txt`)),
      `${name} is no transcript`,
    );
});
