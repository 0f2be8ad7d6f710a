/** Encoded resources: the right bytes, made once, bounded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BytesCache } from '../../src/delta-xds/bytes-cache.ts';
import { plainResource, type SentResource } from '../../src/delta-xds/effect.ts';
import { Cluster, Resource, VHDS, VirtualHost } from '../../src/proto/index.ts';
import { clusterBody, virtualHostBody } from './support/memory-mesh.ts';

const hostResource = (version: string, prefix: string, extra: readonly string[] = []): SentResource => {
  const { body, domains = [] } = virtualHostBody(version, ['a.shop', 'a.shop:80'], ['a.shop:80']);
  return { name: `${prefix}a.shop:80`, version, body, prefix, domains, extra };
};

test('a virtual host carries its resource name inside (envoy-wire, fact 4), one encoding for every route configuration', () => {
  const cache = new BytesCache(1_000_000);
  for (const prefix of ['outbound/', 'outbound~1/']) {
    const resource = Resource.decode(cache.encode('vhds', hostResource('h1', prefix)));
    assert.equal(resource.name, `${prefix}a.shop:80`);
    assert.deepEqual(resource.aliases, [`${prefix}a.shop`, `${prefix}a.shop:80`]);
    assert.equal(resource.resource?.typeUrl, VHDS);
    assert.equal(VirtualHost.decode(resource.resource?.value ?? new Uint8Array()).name, resource.name);
  }
});

test('a negative answer has no body, and the asked name as its alias', () => {
  const cache = new BytesCache(1_000_000);
  const name = 'outbound/nx.shop';
  const bytes = cache.encode('vhds', {
    name,
    version: 'neg-1',
    body: undefined,
    prefix: '',
    domains: [],
    extra: [name],
  });
  const resource = Resource.decode(bytes);
  assert.equal(resource.resource ?? null, null);
  assert.deepEqual(resource.aliases, [name]);
  assert.equal(cache.bytes, 0, 'it is not kept');
});

test('equal name and version: encoded once; another version, other aliases, another name: not mixed up', () => {
  const cache = new BytesCache(1_000_000);
  const first = cache.encode('vhds', hostResource('h1', 'outbound/'));
  assert.equal(cache.encode('vhds', hostResource('h1', 'outbound/')), first);
  assert.notEqual(cache.encode('vhds', hostResource('h2', 'outbound/')), first);
  const asked = Resource.decode(cache.encode('vhds', hostResource('h1', 'outbound/', ['outbound/x.wild'])));
  assert.deepEqual(asked.aliases, ['outbound/a.shop', 'outbound/a.shop:80', 'outbound/x.wild']);
  assert.equal(cache.encode('vhds', hostResource('h1', 'outbound/')), first);
  const cluster = Resource.decode(cache.encode('cds', plainResource('a', 'v', clusterBody('a', 'v', true).body)));
  assert.equal(Cluster.decode(cluster.resource?.value ?? new Uint8Array()).name, 'a');
  assert.deepEqual({ hits: cache.hits, misses: cache.misses }, { hits: 2, misses: 3 });
});

test('beyond the bound the longest unused go; nine variants of a name push out the oldest', () => {
  const cache = new BytesCache(20_000);
  for (let index = 0; index < 200; index++) {
    cache.encode('eds', plainResource(`name-${index}`, 'v', new Uint8Array(500)));
    cache.encode('eds', plainResource('name-0', 'v', new Uint8Array(500)));
    assert.ok(cache.bytes <= 20_000);
  }
  assert.ok(cache.evicted > 100);
  const { hits } = cache;
  cache.encode('eds', plainResource('name-0', 'v', new Uint8Array(500)));
  assert.equal(cache.hits, hits + 1, 'what is used stays');
  for (let version = 0; version < 9; version++)
    cache.encode('cds', plainResource('x', `v${version}`, new Uint8Array(10)));
  const { misses } = cache;
  cache.encode('cds', plainResource('x', 'v0', new Uint8Array(10)));
  assert.equal(cache.misses, misses + 1);
  cache.encode('eds', plainResource('huge', 'v', new Uint8Array(10_000)));
  assert.ok(cache.bytes <= 20_000);
});
