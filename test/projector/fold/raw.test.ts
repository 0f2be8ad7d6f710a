/** Raw resources in the fold: invariants of evolve-raw.ts, keys, preconditions, bounds, replay. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventData, rawKey, rawNodeSubject, rawSetKey, rawSubject } from '../../../src/model/index.ts';
import type { FoldOutcome } from '../../../src/projector/types.ts';
import { Stored, Story, told } from './story.ts';

const CDS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const EDS = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
const VHDS = 'type.googleapis.com/envoy.config.route.v3.VirtualHost';
const UNKNOWN = 'type.googleapis.com/my.own.Message';

type Put = EventData['resource.put'];
const later = { schemaVersion: 2 };

class RawStory extends Story {
  put(data: Put, more: object = {}): FoldOutcome {
    return this.send('resource.put', data, { ...later, ...more });
  }

  delete(data: EventData['resource.delete'], more: object = {}): FoldOutcome {
    return this.send('resource.delete', data, { ...later, ...more });
  }

  clear(node?: string, more: object = {}): FoldOutcome {
    return this.send('resource.clear', node === undefined ? {} : { node }, { ...later, ...more });
  }

  bodyOf(ref: { readonly node?: string; readonly typeUrl: string; readonly name: string }): string | undefined {
    const raw = this.fold.raw(rawKey(ref));
    return raw === undefined ? undefined : Buffer.from(raw.body).toString('hex');
  }

  label(node: string | undefined, typeUrl: string): string | undefined {
    return this.fold.rawLabel(rawSetKey(node, typeUrl));
  }
}

const cluster = (name: string, more: object = {}): Put => ({
  typeUrl: CDS,
  name,
  resource: { '@type': CDS, name, ...more },
});
const unknown = (name: string, value = 'AQ=='): Put => ({
  typeUrl: UNKNOWN,
  name,
  resource: { '@type': UNKNOWN, value },
});

test('put, put again, delete: by node, by every node, each by itself', () => {
  const story = new RawStory();
  assert.equal(story.put(cluster('a')).status, 'applied');
  assert.equal(story.put({ ...cluster('a', { connectTimeout: '1s' }), node: 'n1' }).status, 'applied');
  assert.equal(story.bodyOf({ typeUrl: CDS, name: 'a' }), '0a0161');
  assert.equal(story.bodyOf({ node: 'n1', typeUrl: CDS, name: 'a' }), '0a016122020801');
  assert.equal(story.bodyOf({ node: 'n2', typeUrl: CDS, name: 'a' }), undefined);
  assert.equal(story.put(cluster('a', { connectTimeout: '2s' }), { source: 'other' }).status, 'applied');
  assert.equal(story.bodyOf({ typeUrl: CDS, name: 'a' }), '0a016122020802', 'the last put counts, whoever sent it');
  assert.equal(story.delete({ typeUrl: CDS, name: 'a' }).status, 'applied');
  assert.equal(story.bodyOf({ typeUrl: CDS, name: 'a' }), undefined);
  assert.equal(story.bodyOf({ node: 'n1', typeUrl: CDS, name: 'a' }), '0a016122020801');
});

test('JSON and bytes that say the same are the same content: nothing to derive, but author and offset are the new ones', () => {
  const story = new RawStory();
  story.put(cluster('a'), { source: 'first', reason: 'why not' });
  story.fold.drain();
  const { offset } = story.put(
    { typeUrl: CDS, name: 'a', resource: { '@type': CDS, value: 'CgFh' } },
    { source: 'second' },
  );
  const raw = story.fold.raw(rawKey({ typeUrl: CDS, name: 'a' }));
  assert.deepEqual([raw?.offset, raw?.source, raw?.reason], [offset, 'second', undefined]);
  assert.deepEqual([...story.fold.drain().inputs], []);
});

test('deleting what is not there, and clearing what is empty, is applied and changes nothing', () => {
  const story = new RawStory();
  const deleted = story.delete({ typeUrl: CDS, name: 'a' });
  assert.equal(deleted.status, 'applied');
  assert.match(deleted.message ?? '', /nothing to delete/);
  const cleared = story.clear('n1');
  assert.equal(cleared.status, 'applied');
  assert.match(cleared.message ?? '', /nothing to clear/);
  const { entities, inputs } = story.fold.drain();
  assert.deepEqual([[...entities.keys()], [...inputs]], [[], []]);
});

test('clear takes one set of nodes at once, with its labels', () => {
  const story = new RawStory();
  story.put({ ...cluster('a'), version: 'v1' });
  story.put({ ...cluster('a'), node: 'n1', version: 'v1' });
  story.put({ ...unknown('b'), node: 'n1' });
  story.put({ ...unknown('b'), node: 'n11' });
  story.fold.drain();
  assert.equal(story.clear('n1').status, 'applied');
  const { entities, inputs } = story.fold.drain();
  const gone = ['raw/n1|', 'rawset/n1|'];
  for (const key of entities.keys())
    assert.ok(
      gone.some((part) => key.startsWith(part)),
      key,
    );
  assert.equal(entities.size, 4);
  assert.equal(inputs.size, 3, 'two resources and a label');
  assert.deepEqual([...story.fold.rawKeys()].sort(), [`n11|${UNKNOWN}|b`, `|${CDS}|a`]);
  assert.equal(story.label(undefined, CDS), 'v1');
  story.clear();
  assert.deepEqual(story.fold.rawTotals, { resources: 1, bytes: 1 });
  assert.deepEqual([...story.fold.rawKeys()], [`n11|${UNKNOWN}|b`]);
  assert.equal(story.label(undefined, CDS), undefined);
});

test('the label is the version of the last event of node and type', () => {
  const story = new RawStory();
  story.put({ ...cluster('a'), version: '1' });
  story.put({ ...unknown('a'), version: 'u' });
  assert.equal(story.label(undefined, CDS), '1');
  story.put({ ...cluster('b'), version: '2' });
  assert.equal(story.label(undefined, CDS), '2');
  story.delete({ typeUrl: CDS, name: 'a', version: '3' });
  assert.equal(story.label(undefined, CDS), '3');
  story.fold.drain();
  story.put(cluster('b'));
  assert.equal(story.label(undefined, CDS), undefined, 'an event without a version takes it away');
  assert.deepEqual([...story.fold.drain().inputs], [`rawset:${rawSetKey(undefined, CDS)}`]);
  story.delete({ typeUrl: CDS, name: 'nothing', version: '4' });
  assert.equal(story.label(undefined, CDS), '4', 'also when it changes no resource');
  story.put({ ...cluster('b'), version: '' });
  assert.equal(story.label(undefined, CDS), undefined);
  assert.equal(story.label(undefined, UNKNOWN), 'u');
});

test('what is stored: virtual hosts without their name, domains and clusters; EDS service names', () => {
  const story = new RawStory();
  const routes = [
    { route: { cluster: 'b' } },
    { route: { weightedClusters: { clusters: [{ name: 'c' }, { name: 'a' }] } } },
    { route: { clusterHeader: 'x-cluster', requestMirrorPolicies: [{ cluster: 'm' }] } },
    { redirect: { hostRedirect: 'x' } },
  ];
  const name = 'outbound/cart.shop:80';
  const host = { name, domains: ['Cart.shop', 'cart.shop', '*'], routes, requestMirrorPolicies: [{ cluster: 'all' }] };
  story.put({ typeUrl: VHDS, name, resource: { '@type': VHDS, ...host } });
  const raw = story.fold.raw(rawKey({ typeUrl: VHDS, name }));
  assert.deepEqual(raw?.domains, ['cart.shop', '*']);
  assert.deepEqual(raw?.clusters, ['a', 'all', 'b', 'c', 'm']);
  assert.equal(Buffer.from(raw?.body ?? []).includes(name), false);

  const edsOf = (called: string, more: object): string | undefined => {
    assert.equal(story.put(cluster(called, more)).status, 'applied');
    return story.fold.raw(rawKey({ typeUrl: CDS, name: called }))?.eds;
  };
  assert.equal(edsOf('a', { type: 'EDS' }), 'a');
  assert.equal(edsOf('a', { type: 'EDS', edsClusterConfig: { serviceName: 'other' } }), 'other');
  assert.equal(edsOf('a', { type: 'STATIC' }), undefined);
  assert.equal(edsOf('a', { clusterType: { name: 'x' }, edsClusterConfig: { serviceName: 'other' } }), undefined);
});

test('a name that would not do as a key, and a bad resource, are quarantined with the reason', () => {
  const story = new RawStory();
  const cases: readonly (readonly [Put, string, RegExp])[] = [
    [{ ...cluster('a'), name: 'b' }, 'E104', /its own name is "a"/],
    [cluster('a', { nam: 1 }), 'E101', /data\/resource\/nam: unknown field/],
    [{ ...cluster('a'), typeUrl: UNKNOWN }, 'E102', /@type is/],
    [{ typeUrl: UNKNOWN, name: 'a', resource: { '@type': UNKNOWN, x: 1 } }, 'E102', /not among the messages/],
    [{ typeUrl: UNKNOWN, name: 'a', resource: {} }, 'E103', /"@type" is missing/],
    [{ typeUrl: UNKNOWN, name: 'a', resource: 'x' }, 'E102', /no object/],
    [unknown('a', Buffer.alloc(1024 * 1024 + 1).toString('base64')), 'E106', /1048577 bytes/],
    [{ ...cluster('a'), typeUrl: 'cds' }, 'schema', /typeUrl/],
    [{ ...cluster('a'), typeUrl: 'a/b|c' }, 'schema', /typeUrl/],
    [{ ...cluster('a'), typeUrl: 'a/b/c' }, 'schema', /typeUrl/],
    [{ ...cluster('ü'.repeat(257)) }, 'schema', /512 bytes/],
    [{ ...cluster('a\u0007') }, 'schema', /control characters/],
    [{ ...cluster('a'), node: 'ü'.repeat(86) }, 'schema', /percent-encoded/],
  ];
  for (const [data, code, words] of cases) {
    const outcome = story.put(data);
    assert.equal(outcome.status, 'quarantined', code);
    assert.equal(outcome.code, code, outcome.message);
    assert.match(outcome.message ?? '', words);
  }
  assert.deepEqual([...story.fold.rawKeys()], []);
  const largest = unknown('a', Buffer.alloc(1024 * 1024).toString('base64'));
  assert.equal(story.put(largest).status, 'applied');
});

test('raw events of schema version 1 had no effect, and have none in a replay', () => {
  const story = new RawStory();
  for (const event of [told('resource.put', cluster('a')), told('resource.clear', {})])
    assert.deepEqual(
      story.apply(event).map(({ status, code }) => [status, code]),
      [['quarantined', 'E107']],
    );
  assert.deepEqual([...story.fold.rawKeys()], []);
  const [newer] = story.apply(told('resource.clear', {}, { schemaVersion: 3 }));
  assert.equal(newer?.code, 'version');
});

test('subjects and preconditions', () => {
  const story = new RawStory();
  const ref = { node: 'a/b c', typeUrl: CDS, name: 'x/y|z' };
  const { node } = ref;
  assert.equal(rawSubject(ref), `resource/a%2Fb%20c/${CDS}/x/y|z`);
  assert.equal(story.put({ ...cluster(ref.name), node }, { expect: 0 }).status, 'applied');
  assert.equal(story.fold.subjectOffset(rawSubject(ref)), 1);
  assert.equal(story.put({ ...cluster(ref.name), node }, { expect: 0 }).code, 'expect');
  assert.equal(story.put({ ...cluster(ref.name), node }, { expect: 1 }).status, 'applied');
  story.put({ typeUrl: EDS, name: 'e', node, resource: { '@type': EDS, clusterName: 'e' } });
  assert.equal(story.fold.subjectOffset(rawSubject(ref)), 3);
  assert.equal(story.fold.subjectOffset(rawNodeSubject(node)), 4);
  assert.equal(story.clear(node, { expect: 3 }).code, 'expect');
  assert.equal(story.clear(node, { expect: 4 }).status, 'applied');
  assert.equal(story.fold.subjectOffset(rawSubject(ref)), 0);
  assert.equal(story.fold.subjectOffset(rawNodeSubject(node)), 0);
});

test('a batch is applied or undone whole', () => {
  const story = new RawStory();
  story.put({ ...cluster('a'), version: '1' });
  const before = new Stored();
  before.take(story.fold);
  const outcomes = story.batch(
    told('resource.clear', {}, later),
    told('resource.put', { ...cluster('b'), version: '2' }, later),
    told('resource.put', { ...cluster('c'), name: 'd' }, later),
  );
  assert.deepEqual(
    outcomes.map(({ status, code }) => `${status} ${code}`),
    ['rejected batch', 'rejected batch', 'quarantined E104'],
  );
  assert.deepEqual([...story.fold.rawKeys()], [`|${CDS}|a`]);
  assert.equal(story.label(undefined, CDS), '1');
  assert.deepEqual([...story.fold.drain().entities.keys()], []);
  // The bounds have been undone as well: the index still counts one resource.
  assert.equal(story.clear().status, 'applied');
  assert.match(story.clear().message ?? '', /nothing to clear/);
});

test('a stored state goes on as the one that was folded', () => {
  const story = new RawStory();
  const stored = new Stored();
  story.put({ ...cluster('a', { type: 'EDS' }), version: '1' }, { reason: 'because' });
  story.put({ ...unknown('größe', ''), node: 'n 1' });
  story.put({ typeUrl: VHDS, name: 'r/h', resource: { '@type': VHDS, name: 'r/h', domains: ['h'] } });
  stored.take(story.fold);
  const again = stored.restore();
  for (const key of story.fold.rawKeys()) assert.deepEqual(again.raw(key), story.fold.raw(key));
  assert.deepEqual([...again.rawKeys()].sort(), [...story.fold.rawKeys()].sort());
  assert.deepEqual([...again.rawSetKeys()].sort(), [...story.fold.rawSetKeys()].sort());
  assert.equal(again.rawLabel(rawSetKey(undefined, CDS)), '1');
  assert.throws(() => again.load('raw/x', Buffer.from([9, 9, 9, 9, 1])), { code: 'STATE_UNREADABLE' });
});

test('at the bounds: rejected, and what is there stays', () => {
  const story = new RawStory();
  for (let n = 0; n < 10_000; n += 1) story.put({ ...unknown(`n${n}`, ''), node: 'full' });
  const more = story.put({ ...unknown('more'), node: 'full' });
  assert.deepEqual([more.status, more.code], ['rejected', 'E106']);
  assert.match(more.message ?? '', /Node full has 10000 raw resources already/);
  assert.equal(story.put({ ...unknown('n5'), node: 'full' }).status, 'applied', 'a change is no more');
  assert.equal(story.put(unknown('more')).status, 'applied', 'another node has its own');
  story.delete({ node: 'full', typeUrl: UNKNOWN, name: 'n1' });
  assert.equal(story.put({ ...unknown('more'), node: 'full' }).status, 'applied');
  for (let n = 0; n < 89_999; n += 1) story.put(unknown(`n${n}`, ''));
  const total = story.put({ ...unknown('more'), node: 'other' });
  assert.deepEqual([total.status, total.code], ['rejected', 'E106']);
  assert.match(total.message ?? '', /There are 100000 raw resources already/);
});

test('bytes of all together are bound', () => {
  const story = new RawStory();
  const value = Buffer.alloc(1024 * 1024).toString('base64');
  for (let n = 0; n < 256; n += 1) assert.equal(story.put(unknown(`n${n}`, value)).status, 'applied');
  const more = story.put(unknown('more'));
  assert.deepEqual([more.status, more.code], ['rejected', 'E106']);
  assert.match(more.message ?? '', /268435457 bytes together; 268435456 are allowed/);
  assert.equal(story.put(unknown('n1', '')).status, 'applied', 'less is always allowed');
});

test('a refusal is for people: it changes nothing, and says when it is of an earlier content', () => {
  const story = new RawStory();
  const stored = new Stored();
  const { offset } = story.put(cluster('a'));
  const words = { author: 'local', by: 'web-1', version: 'v1', message: 'no such field' };
  const refusal = { typeUrl: CDS, name: 'a', offset, ...words };
  stored.take(story.fold);
  const before = stored.text();
  const told = story.send('resource.refused', refusal, later);
  assert.deepEqual([told.status, told.message], ['applied', undefined]);
  stored.take(story.fold);
  assert.deepEqual(stored.text(), before);
  story.put(cluster('a', { connectTimeout: '1s' }));
  assert.match(story.send('resource.refused', refusal, later).message ?? '', /not the present one/);
});
