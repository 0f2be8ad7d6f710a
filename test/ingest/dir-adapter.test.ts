/** `--dir` on real files, the real log and projector: load, watch, errors, editors, restart. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DirAdapterOptions } from '../../src/ingest/dir/dir-adapter.ts';
import { createDryRun, DirAdapter } from '../../src/ingest/index.ts';
import { type Core, recordingLogger, service, startCore } from '../admin/core.ts';

const route = (name: string, spec: string): string =>
  `apiVersion: tendril.dev/v1\nkind: Route\nmetadata: {name: ${name}, namespace: shop}\nspec: ${spec}\n`;
const upstream = (name: string, spec: string): string => route(name, spec).replace('Route', 'Upstream');

interface Setup {
  readonly core: Core;
  readonly adapter: DirAdapter;
  readonly directory: string;
  readonly logger: ReturnType<typeof recordingLogger>;
  write(name: string, text: string): Promise<void>;
}

const temporary = async (t: TestContext): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'tendril-dir-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
};

const writeFiles = async (directory: string, files: Readonly<Record<string, string>>): Promise<void> => {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), text);
  }
};

/** Short patience, so that tests wait for the state and not for the clock. */
const adapterFor = (t: TestContext, core: Core, directory: string, options: Partial<DirAdapterOptions> = {}) => {
  const logger = recordingLogger();
  const { fold } = core.projector;
  const adapter = new DirAdapter({
    directory,
    ingest: core.ingest,
    state: fold,
    dryRun: createDryRun(fold),
    logger,
    now: () => Date.now(),
    quietMs: 20,
    settleMs: 60,
    pollMs: 100,
    ...options,
  });
  t.after(() => adapter.close());
  return { adapter, logger };
};

const setUp = async (
  t: TestContext,
  files: Readonly<Record<string, string>>,
  options: Partial<DirAdapterOptions> = {},
): Promise<Setup> => {
  const core = await startCore(t);
  await core.ingest.submit({ events: [service('cart'), service('web')], caller: 'local' });
  const directory = await temporary(t);
  await writeFiles(directory, files);
  const { adapter, logger } = adapterFor(t, core, directory, options);
  await adapter.start();
  return { core, adapter, directory, logger, write: (name, text) => writeFile(join(directory, name), text) };
};

/** Waits until it holds; the deadline is far beyond any sane machine. */
const until = async (what: string, holds: () => boolean): Promise<void> => {
  const deadline = Date.now() + 60_000;
  while (!holds()) {
    if (Date.now() > deadline) assert.fail(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const specOf = (core: Core, kind: string, name: string): unknown =>
  core.projector.fold.policy(kind, 'shop', name)?.document.spec;
const timeoutOf = (core: Core, name: string): unknown =>
  (specOf(core, 'Route', name) as { timeout?: string } | undefined)?.timeout;

/** Lets the adapter look often enough to have acted, had it wanted to. */
const lookOften = async (adapter: DirAdapter): Promise<void> => {
  for (let count = 0; count < 6; count++) {
    await adapter.look();
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
};

test('loads all documents below the directory as the facet of `dir`, with file and line', async (t) => {
  const { core, adapter } = await setUp(t, {
    'routes/cart.yaml': `# a comment\n${route('cart', '{timeout: 1s, to: {v1: {}}}')}---\n${route('web', '{timeout: 2s}')}`,
    'up/cart.yml': upstream('cart', '{subsets: {v1: {labels: {version: v1}}}}'),
    'deep/er/x.json': JSON.stringify({
      apiVersion: 'tendril.dev/v1',
      kind: 'Dependency',
      metadata: { name: 'web', namespace: 'shop' },
      spec: { to: { 'cart.shop': {} } },
    }),
    'notes.txt': 'no document',
    '.hidden.yaml': 'not: looked at',
    'swap.yaml~': 'not: looked at',
  });
  await until('loaded', () => adapter.status().documents === 4);
  const web = core.projector.fold.policy('Route', 'shop', 'web');
  assert.deepEqual([web?.source, web?.file, web?.line], ['dir', 'routes/cart.yaml', 7]);
  assert.equal(timeoutOf(core, 'cart'), '1s');
  assert.notEqual(specOf(core, 'Dependency', 'web'), undefined);
  assert.deepEqual([adapter.status().state, adapter.status().files], ['ok', 3]);
});

test('a changed file changes, a new one comes, one that is gone takes its documents along', async (t) => {
  const { core, adapter, directory, write } = await setUp(t, {
    'a.yaml': route('cart', '{timeout: 1s}'),
    'b.yaml': route('web', '{timeout: 1s}'),
  });
  await until('loaded', () => adapter.status().documents === 2);
  await write('a.yaml', route('cart', '{timeout: 5s}'));
  await until('changed', () => timeoutOf(core, 'cart') === '5s');
  await mkdir(join(directory, 'sub'));
  await writeFile(join(directory, 'sub', 'c.yaml'), upstream('cart', '{limits: {requests: 5}}'));
  await until('a new directory is watched', () => specOf(core, 'Upstream', 'cart') !== undefined);
  await unlink(join(directory, 'b.yaml'));
  await until('gone', () => specOf(core, 'Route', 'web') === undefined);
  assert.equal(timeoutOf(core, 'cart'), '5s');
});

test('nothing changed, nothing written: neither by looking often nor by touching or re-formatting a file', async (t) => {
  const { core, adapter, write } = await setUp(t, { 'a.yaml': route('cart', '{timeout: 1s, retry: {attempts: 2}}') });
  await until('loaded', () => adapter.status().documents === 1);
  const head = core.log.head().offset;
  await write('a.yaml', `# moved down\n\n${route('cart', '{"retry": {"attempts": 2}, "timeout": "1s"}')}`);
  await lookOften(adapter);
  assert.equal(core.log.head().offset, head);
});

for (const [what, text] of [
  ['a syntax error', 'apiVersion: tendril.dev/v1\nkind: Route\nmetadata: {name: cart, namespace: shop\nspec: {}\n'],
  ['an unknown field', route('cart', '{tiemout: 9s}')],
  ['a kind of a later version', 'apiVersion: tendril.dev/v1\nkind: Access\nmetadata: {name: cart}\nspec: {}\n'],
  ['bytes that are no UTF-8', '\ufffd'],
] as const)
  test(`${what} never removes what was good; file and line are told; mended, it goes on`, async (t) => {
    const { core, adapter, logger, directory, write } = await setUp(t, {
      'a.yaml': `${route('cart', '{timeout: 1s}')}---\n${route('web', '{timeout: 1s}')}`,
      'b.yaml': upstream('cart', '{limits: {requests: 5}}'),
    });
    await until('loaded', () => adapter.status().documents === 3);
    await writeFile(
      join(directory, 'a.yaml'),
      what === 'bytes that are no UTF-8' ? Buffer.from([0x61, 0x3a, 0xff, 0x0a]) : text,
    );
    await until('told', () => adapter.status().state === 'degraded');
    const [finding] = adapter.status().findings;
    assert.equal(finding?.file, 'a.yaml');
    assert.ok((finding?.line ?? 0) >= 1);
    assert.ok(logger.lines.some(({ level, message }) => level === 'warn' && message.startsWith('a.yaml')));
    // The other files go on meanwhile.
    await write('b.yaml', upstream('cart', '{limits: {requests: 6}}'));
    await until('the other file changed', () => JSON.stringify(specOf(core, 'Upstream', 'cart')).includes('6'));
    await lookOften(adapter);
    assert.deepEqual([timeoutOf(core, 'cart'), timeoutOf(core, 'web')], ['1s', '1s']);
    await write('a.yaml', `${route('cart', '{timeout: 3s}')}---\n${route('web', '{timeout: 1s}')}`);
    await until('mended', () => timeoutOf(core, 'cart') === '3s' && adapter.status().state === 'ok');
  });

test('an editor that saves by writing another file and renaming it; one that empties the file first', async (t) => {
  const { core, adapter, directory, write } = await setUp(
    t,
    { 'a.yaml': `${route('cart', '{timeout: 1s}')}---\n${route('web', '{timeout: 1s}')}` },
    { settleMs: 2_000 },
  );
  await until('loaded', () => adapter.status().documents === 2);
  const head = core.log.head().offset;
  await rename(join(directory, 'a.yaml'), join(directory, 'a.yaml.bak'));
  await adapter.look();
  await write('.a.yaml.swp', `${route('cart', '{timeout: 2s}')}---\n${route('web', '{timeout: 1s}')}`);
  await rename(join(directory, '.a.yaml.swp'), join(directory, 'a.yaml'));
  await until('renamed over', () => timeoutOf(core, 'cart') === '2s');
  await write('a.yaml', '');
  await adapter.look();
  await write('a.yaml', route('cart', '{timeout: 2s}'));
  await adapter.look();
  await write('a.yaml', `${route('cart', '{timeout: 3s}')}---\n${route('web', '{timeout: 1s}')}`);
  await until('written in steps', () => timeoutOf(core, 'cart') === '3s');
  const types: string[] = [];
  for await (const batch of core.log.read({ from: head + 1 }))
    for (const { event } of batch) types.push(event?.type ?? '');
  assert.deepEqual(types, ['policy.applied', 'policy.applied']);
});

test('a restart writes only the difference, whatever happened meanwhile', async (t) => {
  const data = await temporary(t);
  const directory = await temporary(t);
  await writeFiles(directory, {
    'a.yaml': route('cart', '{timeout: 1s}'),
    'b.yaml': route('web', '{timeout: 1s}'),
    'c.yaml': upstream('cart', '{limits: {requests: 5}}'),
  });
  const first = await startCore(t, { dir: data, log: 'lmdb' });
  await first.ingest.submit({ events: [service('cart'), service('web')], caller: 'local' });
  const one = adapterFor(t, first, directory);
  await one.adapter.start();
  await until('loaded', () => one.adapter.status().documents === 3);
  await one.adapter.close();
  await first.close();

  const second = await startCore(t, { dir: data, log: 'lmdb' });
  const head = second.log.head().offset;
  const two = adapterFor(t, second, directory);
  await two.adapter.start();
  await lookOften(two.adapter);
  assert.equal(second.log.head().offset, head, 'nothing changed, nothing written');
  await two.adapter.close();
  await second.close();

  // While it was down: one changed, one gone, one broken.
  await writeFiles(directory, { 'a.yaml': route('cart', '{timeout: 2s}'), 'c.yaml': 'kind: [' });
  await unlink(join(directory, 'b.yaml'));
  const third = await startCore(t, { dir: data, log: 'lmdb' });
  const three = adapterFor(t, third, directory);
  await three.adapter.start();
  await until('caught up', () => timeoutOf(third, 'cart') === '2s' && specOf(third, 'Route', 'web') === undefined);
  await lookOften(three.adapter);
  assert.equal(third.log.head().offset, head + 2);
  assert.notEqual(specOf(third, 'Upstream', 'cart'), undefined, 'a broken file keeps what it had');
  assert.equal(three.adapter.status().state, 'degraded');
});

test('the same document in two files: the first by path counts, the other is told', async (t) => {
  const { core, adapter, directory } = await setUp(t, {
    'a.yaml': route('cart', '{timeout: 1s}'),
    'b.yaml': route('cart', '{timeout: 2s}'),
  });
  await until('told', () => adapter.status().findings.length === 1);
  const [finding] = adapter.status().findings;
  assert.deepEqual([finding?.code, finding?.file, finding?.document], ['E109', 'b.yaml', 'Route/shop/cart']);
  assert.equal(timeoutOf(core, 'cart'), '1s');
  await unlink(join(directory, 'a.yaml'));
  await until('the other one takes over', () => timeoutOf(core, 'cart') === '2s');
  assert.equal(adapter.status().state, 'ok');
});

test('what the mesh rejects is left out and told; the others are written; healed elsewhere, it comes in', async (t) => {
  const { core, adapter } = await setUp(t, {
    'a.yaml': route('cart', '{timeout: 1s, to: {v9: {}}}'),
    'b.yaml': route('web', '{timeout: 1s}'),
    'c.yaml': upstream('web', '{limits: {requests: 5}}'),
  });
  await until(
    'the others are written',
    () => timeoutOf(core, 'web') === '1s' && specOf(core, 'Upstream', 'web') !== undefined,
  );
  assert.equal(timeoutOf(core, 'cart'), undefined);
  const [finding] = adapter.status().findings;
  assert.deepEqual(
    [finding?.code, finding?.file, finding?.line, finding?.pointer?.startsWith('/spec/to')],
    ['E301', 'a.yaml', 1, true],
  );
  const head = core.log.head().offset;
  await lookOften(adapter);
  assert.equal(core.log.head().offset, head, 'it is not tried over and over in the log');
  const document = {
    apiVersion: 'tendril.dev/v1',
    kind: 'Upstream',
    metadata: { name: 'cart', namespace: 'shop' },
    spec: { subsets: { v9: { labels: { version: 'v9' } } } },
  };
  await core.ingest.submit({ events: [{ type: 'policy.applied', data: { document } }], caller: 'local' });
  await until('taken once it fits', () => timeoutOf(core, 'cart') === '1s');
  await until('well again', () => adapter.status().state === 'ok');
});

test('what others applied is not deleted; a change through the API of what a file says is warned about', async (t) => {
  const { core, adapter, directory, write } = await setUp(t, { 'a.yaml': route('cart', '{timeout: 1s}') });
  await until('loaded', () => adapter.status().documents === 1);
  const set = async (name: string, timeout: string) => {
    const { documentsOfJson } = await import('../../src/ingest/index.ts');
    return documentsOfJson({
      apiVersion: 'tendril.dev/v1',
      kind: 'Route',
      metadata: { name, namespace: 'shop' },
      spec: { timeout },
    });
  };
  await core.documents.apply(await set('web', '1s'), { caller: 'local' });
  const overridden = await core.documents.apply(await set('cart', '9s'), { caller: 'local' });
  assert.equal(overridden.findings[0]?.code, 'W110');
  assert.match(overridden.findings[0]?.message ?? '', /a\.yaml:1/);
  assert.equal(timeoutOf(core, 'cart'), '9s');
  await lookOften(adapter);
  assert.equal(timeoutOf(core, 'cart'), '9s', 'the file has not changed');
  await write('b.yaml', upstream('cart', '{limits: {requests: 5}}'));
  await until('the directory is written again', () => timeoutOf(core, 'cart') === '1s');
  await unlink(join(directory, 'a.yaml'));
  await until('gone', () => specOf(core, 'Route', 'cart') === undefined);
  assert.equal(timeoutOf(core, 'web'), '1s');
});

test('the directory itself vanishes: everything stays, and is told; it comes back', async (t) => {
  const { core, adapter, directory } = await setUp(t, { 'a.yaml': route('cart', '{timeout: 1s}') });
  await until('loaded', () => adapter.status().documents === 1);
  await rename(directory, `${directory}-away`);
  t.after(() => rm(`${directory}-away`, { recursive: true, force: true }));
  await until('told', () => adapter.status().findings[0]?.code === 'DIR_UNREADABLE');
  await lookOften(adapter);
  assert.equal(timeoutOf(core, 'cart'), '1s');
  await rename(`${directory}-away`, directory);
  await until('well again', () => adapter.status().state === 'ok');
});

test('no such directory at start: a clear error', async (t) => {
  const core = await startCore(t);
  const { adapter } = adapterFor(t, core, join(core.dir, 'nowhere'));
  await assert.rejects(adapter.start(), { code: 'DIR_UNREADABLE', message: /it is not there/ });
  const { adapter: file } = adapterFor(t, core, join(process.cwd(), 'package.json'));
  await assert.rejects(file.start(), { code: 'DIR_UNREADABLE', message: /not a directory/ });
});

test('mounted configuration: files are links into a directory that is swapped', async (t) => {
  const { core, adapter, directory } = await setUp(t, {});
  await writeFiles(directory, {
    '..1/a.yaml': route('cart', '{timeout: 1s}'),
    '..2/a.yaml': route('cart', '{timeout: 2s}'),
  });
  await symlink('..1', join(directory, '..data'));
  await symlink(join('..data', 'a.yaml'), join(directory, 'a.yaml'));
  await until('loaded', () => timeoutOf(core, 'cart') === '1s');
  await symlink('..2', join(directory, '..data-new'));
  await rename(join(directory, '..data-new'), join(directory, '..data'));
  await until('swapped', () => timeoutOf(core, 'cart') === '2s');
  assert.equal(adapter.status().documents, 1);
  assert.equal((await readFile(join(directory, 'a.yaml'), 'utf8')).includes('2s'), true);
});

test('more documents than one batch holds, in an order that fits', async (t) => {
  const files: Record<string, string> = {};
  for (let index = 0; index < 700; index++) files[`routes/r${index}.yaml`] = route(`s${index}`, '{to: {v1: {}}}');
  files['zz/upstreams.yaml'] = upstream(
    'versions',
    '{scope: {namespace: true}, subsets: {v1: {labels: {version: v1}}}}',
  );
  const { core, adapter } = await setUp(t, files);
  await until('loaded', () => adapter.status().documents === 701);
  assert.deepEqual(adapter.status().findings, []);
  assert.equal(core.log.head().offset, 2 + 701);
});

test('the log does not take it now: told, and tried again', async (t) => {
  const core = await startCore(t, { ingest: { maxLagEvents: 10 } });
  const directory = await temporary(t);
  await writeFiles(directory, { 'a.yaml': route('cart', '{timeout: 1s}') });
  let refuse = true;
  const { TendrilError } = await import('../../src/model/index.ts');
  const { adapter } = adapterFor(t, core, directory, {
    ingest: {
      limits: core.ingest.limits,
      submit: (submission) =>
        refuse ? Promise.reject(new TendrilError('DISK_FULL', 'the disk is full')) : core.ingest.submit(submission),
    },
  });
  await adapter.start();
  await until('told', () => adapter.status().findings[0]?.code === 'DISK_FULL');
  refuse = false;
  await until('written', () => timeoutOf(core, 'cart') === '1s');
  await until('well again', () => adapter.status().state === 'ok');
});
