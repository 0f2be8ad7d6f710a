/** docs/errors.md has every code that src/ and bench/sim/ give, with meaning and remedy, and no code that nobody gives. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from './support/root.ts';

/** What users run: the program, and the simulation that `tendril bench` loads. */
const FOLDERS = ['src', 'bench/sim'];
const sources = FOLDERS.flatMap((folder) =>
  readdirSync(join(repositoryRoot, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
)
  .filter((name) => name.endsWith('.ts') && !name.includes('generated'))
  .map((name) => ({
    name,
    text: readFileSync(join(repositoryRoot, name), 'utf8').replace(/^\s*(?:\/\*\*?|\*|\/\/).*$/gm, ''),
  }));

/** Words in capitals that are codes of Envoy, HTTP (and its frames), Kafka or Node, and names of the environment. */
const FOREIGN =
  /^(?:TENDRIL_.*|ERR_.*|HPE_.*|UND_ERR_.*|DELTA_GRPC|STRICT_DNS|V4_PREFERRED|(?:MESSAGE|RECORD_LIST)_TOO_LARGE|INVALID_RECORD|RST_STREAM|WINDOW_UPDATE|.*_AUTHORIZATION_FAILED)$/;

/** Codes in quotes: findings (`E101`, `W401`), words in capitals with `_`, and whatever is given to an error as its code. */
const PATTERNS: readonly RegExp[] = [
  /'([EW]\d{3})'/g,
  /'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)'/g,
  /new TendrilError\(\s*'([A-Z][A-Z_0-9]*)'/g,
  /(?:refusal|requestError|finding|fail)\(\s*'([A-Z][A-Z_0-9]*)'/g,
  /\bcode: '([A-Za-z][A-Za-z_0-9]*)'/g,
  /error ([A-Z][A-Z_]+): /g,
];

const given = new Map<string, string>();
for (const { name, text } of sources)
  for (const pattern of PATTERNS)
    for (const [, code = ''] of text.matchAll(pattern)) if (!FOREIGN.test(code)) given.set(code, name);

const document = readFileSync(join(repositoryRoot, 'docs/errors.md'), 'utf8');

interface Row {
  readonly codes: readonly string[];
  readonly meaning: string;
  readonly remedy: string;
}

/** Rows of the tables `code | meaning | remedy`; a row may have several codes, and ranges (`E502-E504`). */
const rows: readonly Row[] = [...document.matchAll(/^\| ([^|]*) \| ([^|]*) \| ([^|]*) ?\|$/gm)].flatMap(
  ([, first = '', meaning = '', remedy = '']) => {
    const codes = first
      .replaceAll('`', '')
      .split(', ')
      .flatMap((part) => {
        const [, letter = '', from, to] = /^([EW])(\d{3})-[EW](\d{3})$/.exec(part) ?? [];
        if (letter === '') return /^(?:[EW]\d{3}|[A-Z][A-Z_0-9]+)$/.test(part) ? [part] : [];
        return Array.from({ length: Number(to) - Number(from) + 1 }, (_, index) => `${letter}${Number(from) + index}`);
      });
    return codes.length === 0 ? [] : [{ codes, meaning, remedy: remedy.trim() }];
  },
);

test('every code of src/ is explained', () => {
  const explained = new Set(rows.flatMap(({ codes }) => codes));
  // Status codes of single events stand in a sentence.
  for (const word of document.match(/`(?:expect|batch|unreadable|rejected)`/g) ?? []) explained.add(word.slice(1, -1));
  assert.ok(given.size > 130, `${given.size} codes found: the reader is broken`);
  assert.deepEqual(
    [...given].filter(([code]) => !explained.has(code)).map(([code, file]) => `${code} (${file})`),
    [],
  );
});

test('every code of the table is given by src/, or is said to come later', () => {
  assert.ok(rows.length > 100, `${rows.length} rows`);
  const unused = rows
    .filter(({ meaning }) => !meaning.startsWith('later'))
    .flatMap(({ codes }) => codes)
    .filter((code) => !given.has(code));
  assert.deepEqual(unused, []);
});

test('no code stands in two rows; each has a meaning, and a remedy unless it comes later', () => {
  const all = rows.flatMap(({ codes }) => codes);
  assert.deepEqual(
    all.filter((code, index) => all.indexOf(code) !== index),
    [],
  );
  assert.deepEqual(
    rows.filter(({ meaning, remedy }) => meaning === '' || (remedy === '' && !/\blater\b/.test(meaning))),
    [],
  );
});
