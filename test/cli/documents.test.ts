/** apply, delete, get, validate: every format, every exit code, what is refused and where it stands. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { here } from './support/here.ts';
import { assertRefused, cleanUp, type Serve, serve, temporaryFolder } from './support/tendril.ts';

const folder = temporaryFolder();
process.chdir(folder); // file names as an operator gives them
const put = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return name;
};

const REVIEWS = `apiVersion: tendril.dev/v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec:
  ports: [{port: 9080, protocol: http}]
  endpoints:
  - {id: r1, address: 127.0.0.1, labels: {version: v1}}
  - {id: r2, address: 127.0.0.2, labels: {version: v2}}
---
apiVersion: tendril.dev/v1
kind: Upstream
metadata: {name: reviews, namespace: shop}
spec:
  subsets: {v1: {labels: {version: v1}}, v2: {labels: {version: v2}}}
`;
const route = (spec: string, name = 'reviews'): string =>
  `apiVersion: tendril.dev/v1\nkind: Route\nmetadata: {name: ${name}, namespace: shop}\nspec:\n  ${spec}\n`;

let server: Serve;
before(async () => {
  server = await serve(['--workers', '0', '--log', 'memory']);
});
after(async () => {
  await server.stop();
  cleanUp();
});

const run = (args: readonly string[], input?: string | Buffer) =>
  here(args, { server: server.api, ...(input === undefined ? {} : { input }) });

const ok = async (args: readonly string[], code = 0): Promise<string> => {
  const ended = await run(args);
  assert.equal(ended.code, code, `tendril ${args.join(' ')}: ${ended.err}`);
  return ended.out;
};

/** Rows of a table: cells are divided by two spaces or more. */
const rows = (text: string): string[][] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/));

describe('documents', { concurrency: false }, () => {
  test('apply says what it would do, does it once, and then has nothing to do; --exit-code tells these apart', async () => {
    put('mesh.yaml', REVIEWS);
    assert.deepEqual(rows(await ok(['apply', '-f', 'mesh.yaml', '--dry-run', '--exit-code'], 2)), [
      ['DOCUMENT', 'ACTION', 'EVENT'],
      ['Service/shop/reviews', 'created (dry run)', '-'],
      ['Upstream/shop/reviews', 'created (dry run)', '-'],
    ]);
    assert.deepEqual(rows(await ok(['get', 'all'])).at(-1), ['0 documents; next: tendril apply -f FILE']);
    assert.deepEqual(rows(await ok(['apply', '-f', 'mesh.yaml', '--exit-code', '--wait', 'acked', '-m', 'first'], 2)), [
      ['DOCUMENT', 'ACTION', 'EVENT'],
      ['Service/shop/reviews', 'created', '2'],
      ['Upstream/shop/reviews', 'created', '3'],
      ['no sidecar is connected'],
    ]);
    assert.deepEqual(JSON.parse(await ok(['apply', '-f', 'mesh.yaml', '--exit-code', '-o', 'json'])), {
      changes: [
        { document: 'Service/shop/reviews', action: 'unchanged', offset: 2 },
        { document: 'Upstream/shop/reviews', action: 'unchanged', offset: 3 },
      ],
      findings: [],
    });
  });

  test('from standard input and from a folder; -o name gives names, -o yaml parses', async () => {
    const piped = await run(['apply', '-f', '-', '-o', 'name'], route('timeout: 2s'));
    assert.deepEqual([piped.code, piped.out], [0, 'Route/shop/reviews\n']);
    mkdirSync(join(folder, 'more'));
    put('more/a.yaml', route('timeout: 3s'));
    put(
      'more/b.json',
      JSON.stringify({
        apiVersion: 'tendril.dev/v1',
        kind: 'Dependency',
        metadata: { name: 'web', namespace: 'shop' },
        spec: { to: { 'reviews.shop': {} } },
      }),
    );
    put('more/notes.txt', 'not a document');
    const applied = parseYaml(await ok(['apply', '-f', 'more', '-o', 'yaml'])) as {
      changes: { document: string; action: string }[];
    };
    assert.deepEqual(
      applied.changes.map(({ document, action }) => [document, action]),
      [
        ['Route/shop/reviews', 'configured'],
        ['Dependency/shop/web', 'created'],
      ],
    );
  });

  test('get: lists, one document, one service; all formats', async () => {
    const [head, ...documents] = rows(await ok(['get', 'routes', '-o', 'wide']));
    assert.deepEqual(head, ['DOCUMENT', 'EVENT', 'WHEN', 'WHO', 'FILE', 'REASON']);
    assert.equal(documents[0]?.[0], 'Route/shop/reviews');
    assert.equal(documents[0]?.[4], 'more/a.yaml:1');
    assert.equal(
      await ok(['get', 'all', '-o', 'name']),
      'Dependency/shop/web\nRoute/shop/reviews\nService/shop/reviews\nUpstream/shop/reviews\n',
    );
    assert.equal(await ok(['get', 'Route', '-n', 'elsewhere', '-o', 'name']), '');
    const stored = {
      apiVersion: 'tendril.dev/v1',
      kind: 'Route',
      metadata: { name: 'reviews', namespace: 'shop' },
      spec: { timeout: '3s' },
    };
    assert.deepEqual(parseYaml(await ok(['get', 'route/shop/reviews'])), stored);
    assert.deepEqual(JSON.parse(await ok(['get', 'Route', 'reviews', '-n', 'shop', '-o', 'json'])), stored);
    assert.deepEqual(rows(await ok(['get', 'services']))[1], [
      'reviews.shop',
      '9080/http',
      '2',
      'mesh',
      'Service/shop/reviews',
    ]);
    const service = JSON.parse(await ok(['get', 'services', 'reviews.shop', '-o', 'json'])) as {
      endpoints: { id: string }[];
    };
    assert.deepEqual(
      service.endpoints.map(({ id }) => id),
      ['r1', 'r2'],
    );
    assert.deepEqual(rows(await ok(['get', 'endpoints', 'reviews', '-n', 'shop']))[2], [
      'r2',
      '127.0.0.2',
      '-',
      'healthy',
      '-',
      'version=v2',
    ]);
  });

  test('a document that was got can be applied again, and is unchanged', async () => {
    put('got.yaml', await ok(['get', 'Route/shop/reviews']));
    assert.match(await ok(['apply', '-f', 'got.yaml']), /Route\/shop\/reviews +unchanged/);
  });

  test('validate: offline, all findings with file, line and column; exit codes 0, 1, and 2 with --exit-code', async () => {
    put('wrong.yaml', route('timout: 2s\n  to: {v1: {weight: 1.5}, v2: {weight: .nan}}'));
    const away = { server: 'http://127.0.0.1:1' };
    const found = await here(['validate', '-f', 'wrong.yaml', '-f', 'mesh.yaml'], away);
    assert.equal(found.code, 1);
    assert.match(found.out, /^wrong\.yaml:5:3: error E101: .*did you mean timeout.* \[\/spec\/timout\]$/m);
    assert.match(found.out, /^wrong\.yaml:6:[0-9]+: error E102: .*1\.5/m);
    assert.match(found.out, /^wrong\.yaml:6:[0-9]+: error E102: .*NaN/m);
    assert.match(found.out, /^2 good documents in 2 files: 3 errors, 0 warnings$/m);
    assert.equal((await here(['validate', '-f', 'wrong.yaml', '--exit-code'], away)).code, 2);
    const good = await here(['validate', '-f', 'mesh.yaml', '--exit-code', '-o', 'name'], away);
    assert.deepEqual([good.code, good.out], [0, 'Service/shop/reviews\nUpstream/shop/reviews\n']);
    const listed = JSON.parse((await here(['validate', '-f', 'wrong.yaml', '-o', 'json'], away)).out) as {
      findings: { code: string; line: number }[];
    };
    assert.deepEqual(
      listed.findings.map(({ line }) => line),
      [5, 6, 6],
    );
  });

  test('one wrong document and none is applied: wrong by itself, wrong for the mesh, given twice, not readable', async () => {
    const head = await ok(['events', '--limit', '1', '-o', 'json']);
    put('other.yaml', `${route('timeout: 9s', 'other')}---\n${route('timeout: 0x')}`);
    assertRefused(
      await run(['apply', '-f', 'other.yaml']),
      'DOCUMENTS_REFUSED',
      /^other\.yaml:11:12: error E104/m,
      'nothing was changed',
    );
    put('subset.yaml', `${route('timeout: 9s', 'other')}---\n${route('to: {v1: {weight: 1}, v9: {weight: 1}}')}`);
    for (const more of [['--dry-run'], []]) {
      const ended = await run(['apply', '-f', 'subset.yaml', ...more]);
      assertRefused(ended, 'DOCUMENTS_REFUSED', 'nothing was changed');
      assert.match(ended.err, /^subset\.yaml:11:[0-9]+: error E301: Subset "v9" is not defined.*v1, v2/m);
    }
    assertRefused(await run(['apply', '-f', 'got.yaml', '-f', 'more/a.yaml']), 'E109', 'more/a.yaml:1', 'given twice');
    assertRefused(await run(['apply', '-f', 'missing.yaml']), 'FILE_NOT_READABLE', 'missing.yaml');
    mkdirSync(join(folder, 'empty'));
    assertRefused(await run(['apply', '-f', 'empty']), 'FILE_NOT_READABLE', 'empty holds no');
    const broken = await run(['apply', '-f', '-'], Buffer.from([0x61, 0x3a, 0x20, 0xff]));
    assert.equal(broken.code, 1);
    assert.match(broken.err, /^stdin:1:[0-9]+: error E100: /m);
    const later = JSON.parse(await ok(['events', '--status', 'applied', '--limit', '1', '-o', 'json'])) as {
      events: { offset: number }[];
    };
    assert.deepEqual(
      later.events.map(({ offset }) => offset),
      (JSON.parse(head) as typeof later).events.map(({ offset }) => offset),
      'nothing was applied',
    );
    assertRefused(await run(['get', 'Route/shop/other']), 'DOCUMENT_UNKNOWN', 'tendril get Route');
  });

  test('what the mesh warns of is said on stderr, with its place, and applied', async () => {
    put('canary.yaml', route('to: {v1: {weight: 90}, v2: {weight: 10}}'));
    const ended = await run(['apply', '-f', 'canary.yaml']);
    assert.equal(ended.code, 0);
    assert.match(ended.err, /^canary\.yaml:5:[0-9]+: warning W302: /m);
    assert.match(ended.out, /Route\/shop\/reviews +configured/);
  });

  test('--prune deletes what carries the label and is not given any more', async () => {
    const labelled = (name: string): string =>
      route('timeout: 1s', name).replace('namespace: shop', 'namespace: shop, labels: {team: pay}');
    put('both.yaml', `${labelled('one')}---\n${labelled('two')}`);
    await ok(['apply', '-f', 'both.yaml', '--prune', 'team=pay']);
    put('both.yaml', labelled('two'));
    assert.deepEqual(
      rows(await ok(['apply', '-f', 'both.yaml', '--prune', 'team=pay'])).map(([document, action]) => [
        document,
        action,
      ]),
      [
        ['DOCUMENT', 'ACTION'],
        ['Route/shop/one', 'deleted'],
        ['Route/shop/two', 'unchanged'],
      ],
    );
  });

  test('delete: all or none; by name and by file; missing ones', async () => {
    assertRefused(
      await run(['delete', 'Route/shop/two', 'Route/shop/nobody']),
      'DOCUMENT_UNKNOWN',
      'Route/shop/nobody',
      'nothing was deleted',
      '--ignore-missing',
    );
    const deleted = JSON.parse(
      await ok(
        [
          'delete',
          'Route/shop/two',
          'Route/shop/nobody',
          '--ignore-missing',
          '--exit-code',
          '-o',
          'json',
          '-m',
          'over',
        ],
        2,
      ),
    ) as { deleted: { document: string; offset: number }[]; missing: string[] };
    assert.deepEqual(
      [deleted.deleted.map(({ document }) => document), deleted.missing],
      [['Route/shop/two'], ['Route/shop/nobody']],
    );
    put('user.yaml', route('to: {"reviews.shop": {weight: 1}}', 'web'));
    await ok(['apply', '-f', 'user.yaml']);
    assertRefused(await run(['delete', 'Service/shop/reviews']), 'E211', 'Route/shop/web');
    await ok(['delete', '-f', 'user.yaml']);
    assert.deepEqual(
      rows(await ok(['delete', '-f', 'mesh.yaml', 'Route/shop/reviews']))
        .map(([document, action]) => [document, action])
        .sort(),
      [
        ['DOCUMENT', 'ACTION'],
        ['Route/shop/reviews', 'deleted'],
        ['Service/shop/reviews', 'deleted'],
        ['Upstream/shop/reviews', 'deleted'],
      ],
    );
    assert.equal(
      await ok(['delete', '-f', 'mesh.yaml', '--ignore-missing', '--exit-code']),
      'nothing to delete: 2 documents are not there\n',
    );
    assert.match(await ok(['events', '--subject', 'policy/Route/shop/two', '-o', 'wide']), /policy\.deleted .* over$/m);
  });

  test('explain lists what a document may say, as the schema has it', async () => {
    const { fields } = JSON.parse(await ok(['explain', 'Upstream.outlier', '-o', 'json'])) as {
      fields: { path: string }[];
    };
    assert.ok(fields.length > 3);
    assert.ok(
      fields.every(({ path }) => path.startsWith('outlier')),
      JSON.stringify(fields),
    );
    const fieldsOfRoute = await ok(['explain', 'route']);
    assert.match(fieldsOfRoute, /^spec\.timeout +0s +Whole request/m);
    assert.doesNotMatch(fieldsOfRoute, /E107/);
    assert.match(await ok(['explain', 'route', '--all']), /^spec\.mirror .*E107/m);
    assert.match(await ok(['explain', 'Access']), /E107/);
    assert.equal(readFileSync(join(folder, 'mesh.yaml'), 'utf8'), REVIEWS, 'no command writes to its input');
  });
});
