/** When a file of the watched directory is believed. Numbers are the invariants of dir-files.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DirFiles, type FileContent } from '../../src/ingest/dir/dir-files.ts';
import type { KnownDocument, ObservedDocument } from '../../src/ingest/reconcile.ts';

const PATIENCE = { quietMs: 200, settleMs: 1_000 };

const document = (name: string, file: string, timeout = '1s'): ObservedDocument => ({
  kind: 'Route',
  namespace: 'shop',
  name,
  file,
  document: { kind: 'Route', metadata: { name }, spec: { timeout } },
});

const good = (...documents: readonly ObservedDocument[]): FileContent => ({ documents, findings: [], finished: true });
const bad: FileContent = {
  documents: [],
  findings: [{ code: 'E100', severity: 'error', message: 'x', file: 'a.yaml' }],
  finished: true,
};

const names = (files: DirFiles, known: readonly KnownDocument[] = []) =>
  files
    .content(known)
    .documents.map(({ name }) => name)
    .sort();

test('1: a new file is believed after it was the same for quietMs; an old one at once', () => {
  const files = new DirFiles();
  files.offer('a.yaml', 's1', good(document('a', 'a.yaml')), 1000);
  assert.deepEqual(files.settle(1100, PATIENCE, []), { changed: false, waitMs: 100 });
  assert.deepEqual(names(files), []);
  assert.deepEqual(files.settle(1200, PATIENCE, []), { changed: true, waitMs: undefined });
  assert.deepEqual(names(files), ['a']);
  files.offer('b.yaml', 's1', good(document('b', 'b.yaml')), 0);
  assert.equal(files.settle(1300, PATIENCE, []).changed, true);
});

test('1: written again meanwhile, it waits again', () => {
  const files = new DirFiles();
  files.offer('a.yaml', 's1', good(document('a', 'a.yaml')), 1000);
  assert.equal(files.wants('a.yaml', 's2'), true);
  files.offer('a.yaml', 's2', good(document('a', 'a.yaml', '2s')), 1150);
  assert.equal(files.settle(1250, PATIENCE, []).changed, false);
  assert.equal(files.settle(1350, PATIENCE, []).changed, true);
  assert.equal(files.wants('a.yaml', 's2'), false);
});

for (const [what, content] of [
  ['a document less', good(document('a', 'a.yaml'))],
  ['empty', { documents: [], findings: [], finished: false }],
  ['no final newline', { ...good(document('a', 'a.yaml'), document('b', 'a.yaml')), finished: false }],
] as const)
  test(`1: ${what}: believed only after settleMs`, () => {
    const files = new DirFiles();
    const known = [document('a', 'a.yaml'), document('b', 'a.yaml')];
    files.offer('a.yaml', 's1', good(...known), 0);
    files.settle(500, PATIENCE, known);
    files.offer('a.yaml', 's2', content, 1000);
    assert.deepEqual(files.settle(1300, PATIENCE, known), { changed: false, waitMs: 700 });
    assert.deepEqual(names(files, known), ['a', 'b']);
    assert.equal(files.settle(2000, PATIENCE, known).changed, true);
  });

test('1: gone and back again before settleMs: as if nothing had been', () => {
  const files = new DirFiles();
  const known = [document('a', 'a.yaml')];
  files.offer('a.yaml', 's1', good(...known), 0);
  files.settle(500, PATIENCE, known);
  files.missing('a.yaml', 1000);
  files.missing('a.yaml', 1500);
  assert.deepEqual(files.settle(1900, PATIENCE, known), { changed: false, waitMs: 100 });
  assert.equal(files.wants('a.yaml', 's1'), false);
  assert.deepEqual(files.settle(2500, PATIENCE, known), { changed: false, waitMs: undefined });
  assert.deepEqual(names(files, known), ['a']);
});

test('1: gone for settleMs: its documents are gone', () => {
  const files = new DirFiles();
  const known = [document('a', 'a.yaml')];
  files.offer('a.yaml', 's1', good(...known), 0);
  files.settle(500, PATIENCE, known);
  files.missing('a.yaml', 1000);
  assert.equal(files.settle(2000, PATIENCE, known).changed, true);
  assert.deepEqual(names(files, known), []);
  assert.equal(files.size, 0);
});

test('2: while a file has an error, what is known from it stays, and the error is told', () => {
  const files = new DirFiles();
  const known = [document('a', 'a.yaml'), document('b', 'a.yaml'), document('c', 'c.yaml')];
  files.offer('a.yaml', 's1', bad, 0);
  files.offer('c.yaml', 's1', good(document('c', 'c.yaml', '5s')), 0);
  files.settle(500, PATIENCE, known);
  const content = files.content(known);
  assert.deepEqual(content.documents.map(({ name }) => name).sort(), ['a', 'b', 'c']);
  assert.deepEqual(
    content.findings.map(({ code }) => code),
    ['E100'],
  );
});

test('2: after a restart too: a file that cannot be looked at keeps what is known from it', () => {
  const files = new DirFiles();
  const known = [document('a', 'sub/a.yaml')];
  files.hold('sub/a.yaml');
  files.settle(500, PATIENCE, known);
  assert.deepEqual(names(files, known), ['a']);
});

test('3: of two documents of one name the one in the first file by path counts, whatever was read first', () => {
  const files = new DirFiles();
  files.offer('b.yaml', 's1', good(document('x', 'b.yaml', '2s')), 0);
  files.settle(500, PATIENCE, []);
  files.offer('a.yaml', 's1', good(document('x', 'a.yaml', '1s')), 0);
  files.settle(1000, PATIENCE, []);
  const content = files.content([]);
  assert.deepEqual(
    content.documents.map(({ file }) => file),
    ['a.yaml'],
  );
  assert.equal(content.findings[0]?.code, 'E109');
  assert.equal(content.findings[0]?.file, 'b.yaml');
  assert.match(content.findings[0]?.message ?? '', /a\.yaml/);
});
