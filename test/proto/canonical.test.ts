import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JsonObject, JsonValue } from '../../src/proto/index.ts';
import {
  ClusterLoadAssignment,
  contentVersion,
  encodeCanonical,
  envoy,
  google,
  grpc,
  Struct,
  TYPE_URLS,
  toStruct,
  VHDS,
  VirtualHost,
  virtualHostTail,
} from '../../src/proto/index.ts';
import * as typeUrls from '../../src/proto/type-urls.ts';
import { golden } from './golden.ts';
import { samples } from './samples.ts';

test('golden bytes: one message of each resource type', () => {
  const actual = Object.fromEntries(
    Object.entries(samples).map(([name, { bytes }]) => [name, Buffer.from(bytes).toString('hex')]),
  );
  assert.deepEqual(actual, golden);
});

/** The same object with the keys of every map inside it in another order. */
const reordered = (value: JsonValue): JsonValue => {
  if (Array.isArray(value)) return value.map(reordered);
  if (value === null || typeof value !== 'object') return value;
  const result: { [key: string]: JsonValue } = Object.create(null);
  for (const [key, item] of Object.entries(value).reverse()) result[key] = reordered(item);
  return result;
};

const json: fc.Arbitrary<JsonObject> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc.dictionary(fc.string(), tie('value'), { maxKeys: 6 }),
})).object as fc.Arbitrary<JsonObject>;

test('maps filled in another order give the same bytes, at any depth', () => {
  fc.assert(
    fc.property(json, (object) => {
      const one = encodeCanonical(Struct, toStruct(object));
      const other = encodeCanonical(Struct, toStruct(reordered(object) as JsonObject));
      assert.deepEqual(one, other);
    }),
  );
  const metadata = (keys: readonly string[]) =>
    encodeCanonical(ClusterLoadAssignment, {
      endpoints: [
        {
          lbEndpoints: [
            {
              metadata: {
                filterMetadata: Object.fromEntries(
                  keys.map((key) => [key, toStruct({ [key]: 1, b: 2, a: [{ y: 1, x: key }] })]),
                ),
              },
            },
          ],
        },
      ],
    });
  assert.deepEqual(metadata(['b', 'a', '10', '9']), metadata(['9', '10', 'a', 'b']));
});

test('a decoded message encodes to the bytes it came from', () => {
  const types = {
    cluster: envoy.config.cluster.v3.Cluster,
    virtualHost: VirtualHost,
    listener: envoy.config.listener.v3.Listener,
  };
  for (const [name, type] of Object.entries(types)) {
    const { bytes } = samples[name as keyof typeof types];
    assert.deepEqual(Buffer.from(type.encode(type.decode(bytes)).finish()), Buffer.from(bytes), name);
  }
});

test('contentVersion: SHA-256 over length and bytes of each part, 16 characters', () => {
  const part = Buffer.from('abc');
  const hash = createHash('sha256')
    .update(Buffer.from([0, 0, 0, 3]))
    .update(part)
    .digest();
  assert.equal(contentVersion([part]), hash.subarray(0, 12).toString('base64url'));
  assert.equal(contentVersion([part]).length, 16);
  assert.notEqual(
    contentVersion([Buffer.from('ab'), Buffer.from('c')]),
    contentVersion([Buffer.from('a'), Buffer.from('bc')]),
  );
  assert.notEqual(contentVersion([]), contentVersion([Buffer.alloc(0)]));
});

test('virtualHostTail is the virtual host without its name', () => {
  const virtualHost = VirtualHost.decode(samples.virtualHost.bytes);
  const tail = virtualHostTail(virtualHost);
  assert.equal(VirtualHost.decode(tail).name, '');
  const name = Buffer.from(virtualHost.name);
  assert.deepEqual(Buffer.concat([Buffer.from([10, name.length]), name, tail]), Buffer.from(samples.virtualHost.bytes));
});

test('64-bit numbers are decoded as numbers, unknown fields are dropped', () => {
  const duration = google.protobuf.Duration.decode(
    google.protobuf.Duration.encode({ seconds: 900, nanos: 5 }).finish(),
  );
  assert.deepEqual([duration.seconds, duration.nanos], [900, 5]);
  const unknown = Buffer.concat([google.protobuf.Duration.encode({ seconds: 1 }).finish(), Buffer.from([0x52, 1, 7])]);
  const decoded = google.protobuf.Duration.decode(unknown);
  assert.deepEqual(Buffer.from(google.protobuf.Duration.encode(decoded).finish()), Buffer.from([8, 1]));
  assert.deepEqual(Object.keys(decoded), ['seconds']);
});

test('every type URL names a message of the generated module', () => {
  const { GRPC_PATHS: _paths, TYPE_URLS: _urls, SRDS, RTDS, ...resources } = typeUrls;
  // Scoped routes and runtime layers are passed through as bytes, never built here.
  assert.deepEqual(
    [SRDS, RTDS].map((url) => url.split('.').at(-1)),
    ['ScopedRouteConfiguration', 'Runtime'],
  );
  assert.equal(resources.VHDS, VHDS);
  for (const url of [...Object.values(resources), ...Object.values(TYPE_URLS)]) {
    const path = url.replace('type.googleapis.com/', '').split('.');
    let at: unknown = { envoy, google, grpc };
    for (const part of path) at = (at as Record<string, unknown>)[part];
    assert.equal(typeof at, 'function', url);
  }
});
