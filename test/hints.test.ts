/** Commands that hints and remedies name are commands that exist: a hint that does not work is worse than none. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { commands } from '../src/cli/commands/index.ts';
import { kindOf } from '../src/cli/document-ref.ts';
import { repositoryRoot } from './support/root.ts';

const src = join(repositoryRoot, 'src');
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

/** Literals of a source text, comments left out; of a template the text between its places, each place as `<>`. */
const literals = (source: string): string[] =>
  [
    ...source
      .replace(/^\s*(?:\/\*\*?|\*|\/\/).*$/gm, '')
      .matchAll(/'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g),
  ].map((match) => (match[1] ?? match[2] ?? match[3] ?? '').replaceAll(/\$\{[^}]*\}/g, '<>'));

interface Named {
  readonly file: string;
  readonly command: string;
  readonly next: string | undefined;
}

/** `tendril WORD [NEXT]` at the start of a literal, in backticks, or behind a colon: as something to type. */
const named: readonly Named[] = files.flatMap((file) =>
  literals(readFileSync(join(src, file), 'utf8')).flatMap((text) =>
    [...text.matchAll(/(?:^|`|: )tendril (?!is ready)([a-z][a-z-]*)(?: ([A-Za-z][A-Za-z/-]*))?/g)].map(
      ([, command = '', next]) => ({
        file: relative(repositoryRoot, join(src, file)),
        command,
        next,
      }),
    ),
  ),
);

test('every command that a text of src/ names exists', () => {
  assert.ok(named.length >= 15, `${named.length} commands found in texts`);
  const known = new Set(commands.map(({ name }) => name));
  const unknown = named.filter(({ command }) => !known.has(command));
  assert.deepEqual(unknown, []);
});

test('`tendril get` is followed by a kind', () => {
  const gets = named.filter(({ command }) => command === 'get');
  assert.ok(gets.length >= 3, `${gets.length} texts with "tendril get" found`);
  const other = ['KIND', 'services', 'endpoints'];
  for (const { next } of gets) if (next !== undefined && !other.includes(next)) kindOf(next.split('/')[0] ?? '');
});
