import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeliveryLog, type DeliveryReport } from '../../src/delta-xds/index.ts';

const resource = { type: 'eds', name: 'a.shop:80', version: 'v1' };

const pass = (log: DeliveryLog): DeliveryReport | undefined => {
  let passed: DeliveryReport | undefined;
  log.pass((report) => {
    passed = report;
    return true;
  });
  return passed;
};

test('the same step at many nodes is one group; another version, offset, event or size another one', () => {
  const log = new DeliveryLog();
  const nodes = Array.from({ length: 1_000 }, (_, at) => log.node(`n${at}`, 'web.shop'));
  for (const node of nodes) log.note(node, 'sent', resource, 90, 7, 1_000);
  for (const node of nodes) log.note(node, 'acked', resource, 0, 7, 1_003);
  const [first] = nodes;
  assert.ok(first !== undefined);
  log.note(first, 'sent', { ...resource, version: 'v2' }, 90, 7, 1_004);
  log.note(first, 'sent', resource, 90, 8, 1_005);
  log.note(first, 'sent', { ...resource, type: 'cds' }, 90, 8, 1_006);
  log.note(first, 'removed', { ...resource, version: '' }, 0, 8, 1_007);
  const report = pass(log);
  assert.equal(report?.nodes.length, 1_000);
  assert.deepEqual(report?.nodes[7], ['n7', 'web.shop']);
  assert.deepEqual(
    report?.groups.map(({ event, type, version, offset, at, steps }) => [
      event,
      type,
      version,
      offset,
      at,
      steps.length / 2,
    ]),
    [
      ['sent', 'eds', 'v1', 7, 1_000, 1_000],
      ['acked', 'eds', 'v1', 7, 1_003, 1_000],
      ['sent', 'eds', 'v2', 7, 1_004, 1],
      ['sent', 'eds', 'v1', 8, 1_005, 1],
      ['sent', 'cds', 'v1', 8, 1_006, 1],
      ['removed', 'eds', '', 8, 1_007, 1],
    ],
  );
  assert.equal(pass(log), undefined, 'what was passed on is gone');
  log.note(first, 'sent', resource, 90, 9, 2_000);
  log.note(first, 'sent', resource, 90, 9, 2_030);
  assert.deepEqual(pass(log), {
    nodes: [['n0', 'web.shop']],
    groups: [{ ...resource, event: 'sent', bytes: 90, offset: 9, at: 2_000, steps: [0, 0, 0, 30] }],
  });
});

test('refusals: one group for the same words of many', () => {
  const log = new DeliveryLog();
  const words = { message: `bad ${'x'.repeat(2_000)}`, final: true };
  for (const id of ['a', 'b']) log.reject(log.node(id, 'web.shop'), resource, 7, 10, words);
  log.reject(log.node('c', 'web.shop'), resource, 7, 10, { message: 'other words', final: false });
  const report = pass(log);
  assert.deepEqual(
    report?.groups.map(({ event, final, message, steps }) => [event, final, message?.length, steps.length / 2]),
    [
      ['rejected', true, 1_024, 2],
      ['rejected', false, 11, 1],
    ],
  );
});

test('what could not be passed on is kept, up to the bound; the oldest go, counted', () => {
  const log = new DeliveryLog(10);
  const node = log.node('a', 'web.shop');
  for (let version = 0; version < 10; version++)
    log.note(node, 'sent', { ...resource, version: `v${version}` }, 1, 1, 1);
  log.pass(() => false);
  assert.equal(log.size, 10);
  log.note(node, 'sent', { ...resource, version: 'v10' }, 1, 1, 1);
  assert.deepEqual([log.size, log.dropped], [5, 6]);
  assert.deepEqual(
    pass(log)?.groups.map(({ version }) => version),
    ['v6', 'v7', 'v8', 'v9', 'v10'],
  );
});

test('nodes of which no step is left go too: a core that is away for long costs no more than the bound', () => {
  const log = new DeliveryLog(10);
  for (let n = 0; n < 1_000; n++)
    log.note(log.node(`node-${n}`, 'web.shop'), 'sent', { ...resource, version: `v${n}` }, 1, 1, 1);
  const report = pass(log);
  assert.ok((report?.nodes.length ?? 0) <= 10);
  for (const { version, steps } of report?.groups ?? [])
    assert.equal(report?.nodes[steps[0] ?? -1]?.[0], `node-${version.slice(1)}`);
});
