/** What `--dir` does with documents that the fold does not take. Numbers are the invariants of dir-writer.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DirWriter } from '../../src/ingest/dir/dir-writer.ts';
import type { StatePort, Submission, SubmitAnswer } from '../../src/ingest/index.ts';
import { DEFAULT_LIMITS } from '../../src/ingest/input-limits.ts';
import type { DocumentEvent } from '../../src/ingest/reconcile.ts';
import type { Finding } from '../../src/model/index.ts';
import { recordingLogger } from '../admin/core.ts';

const applied = (name: string): DocumentEvent => ({
  type: 'policy.applied',
  data: { document: { metadata: { name } }, file: `${name}.yaml`, line: 3 },
  document: `Route/shop/${name}`,
});

const namesIn = (submission: Submission): string[] =>
  submission.events.map(
    (event) => (event as { data: { document: { metadata: { name: string } } } }).data.document.metadata.name,
  );

/** A fold that rejects the documents named in `bad`, and a dry run that finds what `doubted` names. */
const scripted = () => {
  const world = {
    bad: new Set<string>(),
    doubted: new Set<string>(),
    now: 0,
    offset: 0,
    pending: false,
    sent: [] as string[][],
  };
  const finding = (name: string): Finding => ({
    code: 'E301',
    severity: 'error',
    message: 'no such subset',
    document: `Route/shop/${name}`,
    pointer: '/spec/to',
  });
  const submit = async (submission: Submission): Promise<SubmitAnswer> => {
    const names = namesIn(submission);
    world.sent.push(names);
    const offsets = names.map((_, index) => world.sent.length * 100 + index);
    if (world.pending)
      return {
        result: 'pending',
        offsets,
        events: offsets.map((offset) => ({ offset, status: 'pending' })),
        findings: [],
      };
    world.offset = offsets.at(-1) ?? world.offset;
    const culprits = names.filter((name) => world.bad.has(name));
    if (culprits.length === 0)
      return {
        result: 'applied',
        offsets,
        events: offsets.map((offset) => ({ offset, status: 'applied' })),
        findings: [],
      };
    return {
      result: 'rejected',
      offsets,
      events: names.map((name, index) => ({
        offset: offsets[index] ?? 0,
        status: 'rejected',
        code: world.bad.has(name) ? 'E301' : 'batch',
      })),
      findings: culprits.map(finding),
    };
  };
  const state = {
    get offset() {
      return world.offset;
    },
  } as StatePort;
  const writer = new DirWriter({
    ingest: { submit, limits: DEFAULT_LIMITS },
    state,
    dryRun: (events) =>
      events.flatMap(({ data }) =>
        [...world.doubted].filter((name) => JSON.stringify(data).includes(`"${name}"`)).map(finding),
      ),
    logger: recordingLogger(),
    now: () => world.now,
  });
  return { world, writer };
};

test('1: culprits are left out one after the other, the rest is written; file and line are told', async () => {
  const { world, writer } = scripted();
  world.bad.add('b').add('d');
  assert.equal(await writer.write(['a', 'b', 'c', 'd'].map(applied)), true);
  assert.deepEqual(world.sent, [
    ['a', 'b', 'c', 'd'],
    ['a', 'c'],
  ]);
  assert.deepEqual(
    writer.findings.map(({ code, document, file, line, pointer }) => [code, document, file, line, pointer]),
    [
      ['E301', 'Route/shop/b', 'b.yaml', 3, '/spec/to'],
      ['E301', 'Route/shop/d', 'd.yaml', 3, '/spec/to'],
    ],
  );
});

test('1: rejected without a culprit: all are left out, instead of the same for ever', async () => {
  const { world, writer } = scripted();
  world.bad.add('x');
  const broken = applied('a');
  assert.equal(
    await writer.write([{ ...broken, data: { ...broken.data, document: { metadata: { name: 'x' } } } }]),
    true,
  );
  assert.equal(world.sent.length, 1);
});

test('2: tried again when a dry run finds nothing any more; only those that are healed', async () => {
  const { world, writer } = scripted();
  world.bad.add('a').add('b');
  world.doubted.add('a').add('b');
  await writer.write(['a', 'b'].map(applied));
  assert.equal(writer.healed(), false);
  world.doubted.delete('a');
  assert.equal(writer.healed(), true);
  world.bad.delete('a');
  await writer.write(['a', 'b'].map(applied));
  assert.deepEqual(world.sent.at(-1), ['a']);
  assert.deepEqual(
    writer.findings.map(({ document }) => document),
    ['Route/shop/b'],
  );
});

test('2: a dry run that sees less than the fold: tried later and later, not at every look', async () => {
  const { world, writer } = scripted();
  world.bad.add('a');
  await writer.write([applied('a')]);
  let tries = 0;
  // A day of looks, every 5 s.
  for (; world.now < 24 * 3_600_000; world.now += 5_000)
    if (writer.healed()) {
      tries++;
      await writer.write([applied('a')]);
    }
  assert.ok(tries > 5 && tries < 40, `${tries} tries in a day`);
});

test('2: a change of the directory makes everything worth another try', async () => {
  const { world, writer } = scripted();
  world.bad.add('a');
  world.doubted.add('a');
  await writer.write([applied('a')]);
  writer.changed();
  assert.deepEqual(writer.findings, []);
  await writer.write([applied('a')]);
  assert.equal(world.sent.length, 2);
});

test('3: while the fold stands still nothing more is written', async () => {
  const { world, writer } = scripted();
  world.pending = true;
  assert.equal(await writer.write([applied('a')]), false);
  assert.equal(writer.findings[0]?.code, 'PROJECTOR_BEHIND');
  for (let look = 0; look < 10; look++) assert.equal(await writer.write([applied('a')]), false);
  assert.equal(world.sent.length, 1);
  world.pending = false;
  world.offset = 100;
  assert.equal(await writer.write([]), true);
  assert.deepEqual(writer.findings, []);
});
