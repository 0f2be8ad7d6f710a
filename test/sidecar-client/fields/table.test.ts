/** The table of docs/calls.md and the tests of this folder say the same. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from '../../support/root.ts';

const folder = join(repositoryRoot, 'test/sidecar-client/fields');
const section = /^## Fields$[\s\S]*/m.exec(readFileSync(join(repositoryRoot, 'docs/calls.md'), 'utf8'))?.[0] ?? '';

/** Field, then the cells of Envoy, the HTTP client, the gRPC client, gRPC proxyless. */
const rows = section.split('\n').flatMap((line) => {
  const cells = line.split('|').map((cell) => cell.trim());
  return cells[1]?.startsWith('`') ? [{ field: cells[1].replaceAll('`', ''), cells: cells.slice(2, -1) }] : [];
});

/** Titles before the second colon: `http: <field>`. */
const tested = readdirSync(folder)
  .filter((file) => file.endsWith('.test.ts'))
  .flatMap((file) => [...readFileSync(join(folder, file), 'utf8').matchAll(/^test\('((?:http|grpc): [^:']+):/gm)])
  .map(([, title = '']) => title);

test('every cell is Y, A with what is different, or N with the reason', () => {
  assert.equal(rows.length, 30, rows.map(({ field }) => field).join(' '));
  for (const { field, cells } of rows) {
    assert.equal(cells.length, 4, field);
    for (const cell of cells) assert.match(cell, /^(?:Y|[AN]: \S.*)$/, field);
  }
});

test('every cell claimed for a client has a test of that name, and no test is without its cell', () => {
  const claimed = rows.flatMap(({ field, cells: [, http = '', grpc = ''] }) => [
    ...(http.startsWith('N') ? [] : [`http: ${field}`]),
    ...(grpc.startsWith('N') ? [] : [`grpc: ${field}`]),
  ]);
  assert.equal(new Set(tested).size, tested.length, 'titles are unlike');
  assert.deepEqual([...tested].sort(), [...claimed].sort());
});
