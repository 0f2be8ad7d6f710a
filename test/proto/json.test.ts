/** Proto3 JSON to bytes: against protobufjs by reflection for every message type, the special forms, and what is refused. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { encodeJson, encodeResourceJson, ProtoJsonError } from '../../src/proto/index.ts';
import { repositoryRoot } from '../support/root.ts';

const root = protobuf.Root.fromJSON(
  JSON.parse(readFileSync(join(repositoryRoot, 'src/proto/generated/api.json'), 'utf8')),
);
root.resolveAll();
// protobufjs would take some of Google's messages in forms of its own; here every message is given by its fields.
for (const name of Object.keys(protobuf.wrappers)) delete protobuf.wrappers[name];

const types: protobuf.Type[] = [];
const collect = (space: protobuf.NamespaceBase): void => {
  for (const item of space.nestedArray) {
    if (item instanceof protobuf.Type) types.push(item);
    if (item instanceof protobuf.Namespace) collect(item);
  }
};
collect(root);

/** The same value in proto3 JSON and as protobufjs takes it. */
interface Pair {
  readonly json: unknown;
  readonly object: unknown;
}
const pair = (json: unknown, object: unknown = json): Pair => ({ json, object });

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const reflected = (type: protobuf.Type, object: unknown): string =>
  hex(type.encode(type.fromObject(object as Record<string, unknown>)).finish());
const typeNamed = (name: string): protobuf.Type => root.lookupType(name);

const text = fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom('größe', '🌱', '\u0000', 'cluster'));
const int = (low: bigint, high: bigint): fc.Arbitrary<Pair> =>
  fc
    .tuple(
      fc.oneof(fc.bigInt({ min: low, max: high }), fc.constantFrom(low, high, 1n)),
      fc.constantFrom('number', 'text'),
    )
    .map(([value, form]) => {
      const json = form === 'number' && Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
      return pair(json, String(value));
    });
const int32 = int(-(2n ** 31n), 2n ** 31n - 1n).map(({ json, object }) => pair(json, Number(object)));
const uint32 = int(0n, 2n ** 32n - 1n).map(({ json, object }) => pair(json, Number(object)));
const int64 = int(-(2n ** 63n), 2n ** 63n - 1n);
const uint64 = int(0n, 2n ** 64n - 1n);
const float = fc
  .oneof(fc.float({ noNaN: true }), fc.constantFrom(1.5, Number.NaN, Number.POSITIVE_INFINITY))
  .map((value) => pair(Number.isFinite(value) ? value : String(value), value));
const bytes = fc
  .tuple(fc.uint8Array({ minLength: 0, maxLength: 5 }), fc.constantFrom('base64' as const, 'base64url' as const))
  .map(([value, form]) => pair(Buffer.from(value).toString(form), Buffer.from(value)));

const scalars: Readonly<Record<string, fc.Arbitrary<Pair>>> = {
  bool: fc.boolean().map((value) => pair(value)),
  string: text.map((value) => pair(value)),
  bytes,
  int32,
  sint32: int32,
  sfixed32: int32,
  uint32,
  fixed32: uint32,
  int64,
  sint64: int64,
  sfixed64: int64,
  uint64,
  fixed64: uint64,
  float,
  double: float,
};

const sorted = (entries: readonly (readonly [string, unknown])[]): Record<string, unknown> =>
  Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));

/** JavaScript moves keys that are numbers to the front, so the reference would not have them sorted. */
const keyed = (json: unknown): unknown => {
  if (Array.isArray(json)) return json.map(keyed);
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [`k${key}`, keyed(value)]));
};
const key = text.map((name) => `k${name}`);
const jsonValue = fc.jsonValue({ maxDepth: 2 }).map((value) => keyed(JSON.parse(JSON.stringify(value))));
const messageOfValue = (json: unknown): Record<string, unknown> => {
  if (json === null) return { nullValue: 0 };
  if (typeof json === 'number') return { numberValue: json };
  if (typeof json === 'string') return { stringValue: json };
  if (typeof json === 'boolean') return { boolValue: json };
  if (Array.isArray(json)) return { listValue: { values: json.map(messageOfValue) } };
  return { structValue: structOf(json as Record<string, unknown>) };
};
const structOf = (json: Record<string, unknown>): Record<string, unknown> => ({
  fields: sorted(Object.entries(json).map(([name, value]) => [name, messageOfValue(value)])),
});

const wrapped = (scalar: fc.Arbitrary<Pair>): fc.Arbitrary<Pair> =>
  scalar.map(({ json, object }) => pair(json, { value: object }));

const forms: Readonly<Record<string, fc.Arbitrary<Pair>>> = {
  Duration: fc
    .tuple(fc.integer({ min: 0, max: 9_000_000 }), fc.integer({ min: 0, max: 999_999_999 }), fc.boolean())
    .map(([seconds, nanos, negative]) => {
      const sign = negative ? -1 : 1;
      const json = `${negative ? '-' : ''}${seconds}.${String(nanos).padStart(9, '0')}s`;
      return pair(json, { seconds: seconds * sign, nanos: nanos * sign });
    }),
  Timestamp: fc
    .tuple(fc.integer({ min: -2_000_000_000, max: 4_000_000_000 }), fc.integer({ min: 0, max: 999 }))
    .map(([seconds, millis]) =>
      pair(`${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(millis).padStart(3, '0')}Z`, {
        seconds,
        nanos: millis * 1_000_000,
      }),
    ),
  FieldMask: fc.constantFrom(pair('a.fooBar,baz', { paths: ['a.foo_bar', 'baz'] }), pair('', {})),
  Struct: fc
    .dictionary(key, jsonValue, { maxKeys: 3 })
    .map((json) => JSON.parse(JSON.stringify(json)) as Record<string, unknown>)
    .map((json) => pair(json, structOf(json))),
  Value: jsonValue.map((json) => pair(json, messageOfValue(json))),
  ListValue: fc.array(jsonValue, { maxLength: 2 }).map((json) => pair(json, { values: json.map(messageOfValue) })),
  Empty: fc.constant(pair({})),
  BoolValue: wrapped(scalars.bool as fc.Arbitrary<Pair>),
  StringValue: wrapped(scalars.string as fc.Arbitrary<Pair>),
  BytesValue: wrapped(bytes),
  DoubleValue: wrapped(float),
  FloatValue: wrapped(float),
  Int32Value: wrapped(int32),
  UInt32Value: wrapped(uint32),
  Int64Value: wrapped(int64),
  UInt64Value: wrapped(uint64),
  Any: fc.integer({ min: 1, max: 99 }).map((seconds) => {
    const type_url = 'type.googleapis.com/google.protobuf.Duration';
    const value = typeNamed('google.protobuf.Duration').encode({ seconds }).finish();
    return pair({ '@type': type_url, value: `${seconds}s` }, { type_url, value });
  }),
};

const itemOf = (field: protobuf.Field, depth: number): fc.Arbitrary<Pair> => {
  const type = field.resolvedType;
  if (type instanceof protobuf.Enum) {
    const names = Object.keys(type.values);
    return fc
      .tuple(fc.constantFrom(...names), fc.boolean())
      .map(([name, byName]) => pair(byName ? name : type.values[name], type.values[name]));
  }
  if (type instanceof protobuf.Type) return messageOf(type, depth - 1);
  return scalars[field.type] ?? assert.fail(field.type);
};

const fieldOf = (field: protobuf.Field, depth: number): fc.Arbitrary<Pair> => {
  const item = itemOf(field, depth);
  if (field instanceof protobuf.MapField) {
    const names = field.keyType === 'string' ? key : fc.nat(0xffff).map(String);
    return fc.uniqueArray(names, { maxLength: 3 }).chain((keys) =>
      fc.tuple(...keys.map(() => item)).map((items) => {
        const entries = keys.map((name, at) => [name, items[at]] as const);
        return pair(
          Object.fromEntries(entries.map(([name, value]) => [name, value?.json])),
          sorted(entries.map(([name, value]) => [name, value?.object])),
        );
      }),
    );
  }
  if (!field.repeated) return item;
  return fc.array(item, { maxLength: 2 }).map((items) =>
    pair(
      items.map(({ json }) => json),
      items.map(({ object }) => object),
    ),
  );
};

const isDefault = (field: protobuf.Field, value: unknown): boolean =>
  Object.is(value, 0) ||
  (value === '0' && field.type !== 'string') ||
  value === '' ||
  value === false ||
  (value instanceof Uint8Array && value.length === 0);

const messageOf = (type: protobuf.Type, depth: number): fc.Arbitrary<Pair> => {
  const name = type.fullName.slice(1);
  const form = name.startsWith('google.protobuf.') ? forms[name.slice('google.protobuf.'.length)] : undefined;
  if (form !== undefined) return form;
  const fields = type.fieldsArray.filter((field) => depth > 0 || !(field.resolvedType instanceof protobuf.Type));
  if (fields.length === 0) return fc.constant(pair({}));
  return fc
    .uniqueArray(fc.constantFrom(...fields), { maxLength: 5 })
    .chain((chosen) =>
      fc.tuple(fc.constant(chosen), fc.tuple(...chosen.map((field) => fieldOf(field, depth))), fc.boolean()),
    )
    .map(([chosen, values, snake]) => {
      const json: Record<string, unknown> = {};
      const object: Record<string, unknown> = {};
      const oneofs = new Set<protobuf.OneOf>();
      for (const [at, field] of chosen.entries()) {
        if (field.partOf !== null && oneofs.has(field.partOf)) continue;
        if (field.partOf !== null) oneofs.add(field.partOf);
        json[snake ? field.name : protobuf.util.jsonName(field.name)] = values[at]?.json;
        // A default has no presence outside of oneofs.
        if (field.partOf !== null || !isDefault(field, values[at]?.object)) object[field.name] = values[at]?.object;
      }
      return pair(json, object);
    });
};

test('every message type: the same bytes as protobufjs by reflection', () => {
  assert.ok(types.length > 1000, `${types.length} types`);
  for (const type of types) {
    fc.assert(
      fc.property(messageOf(type, 2), ({ json, object }) => {
        assert.equal(hex(encodeJson(type.fullName.slice(1), json)), reflected(type, object), type.fullName);
      }),
      { numRuns: 4 },
    );
  }
});

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const url = (name: string): string => `type.googleapis.com/${name}`;
const encoded = (name: string, json: unknown): string => hex(encodeJson(name, json));

const refusal = (
  name: string,
  json: unknown,
): { readonly code: string; readonly at: string; readonly text: string } => {
  try {
    encodeJson(name, json);
  } catch (error) {
    if (error instanceof ProtoJsonError)
      return { code: error.code, at: error.path.join('.'), text: `${error.message}; ${error.hint ?? ''}` };
    throw error;
  }
  return assert.fail(`${name} took ${JSON.stringify(json)}`);
};

suite('special forms', () => {
  const cases: readonly (readonly [string, unknown, string])[] = [
    ['Duration', '1.5s', '08011080cab5ee01'],
    ['Duration', '-1.5s', '08ffffffffffffffffff011080b6ca91feffffffff01'],
    ['Duration', '0s', ''],
    ['Duration', '-0.000000001s', '10ffffffffffffffffff01'],
    ['Timestamp', '1970-01-01T00:00:00Z', ''],
    ['Timestamp', '1970-01-01T01:00:01.000000001+01:00', '08011001'],
    ['Timestamp', '1969-12-31T23:59:59.5Z', '08ffffffffffffffffff011080cab5ee01'],
    ['UInt32Value', 0, ''],
    ['UInt32Value', '7', '0807'],
    ['BoolValue', true, '0801'],
    ['BytesValue', '-_8', '0a02fbff'],
    ['BytesValue', '+/8=', '0a02fbff'],
    ['DoubleValue', '-0', '090000000000000080'],
    ['Value', null, '0800'],
    ['Value', '', '1a00'],
    ['Value', 0, '110000000000000000'],
    ['Value', false, '2000'],
    ['Struct', {}, ''],
    ['Empty', {}, ''],
    ['Any', {}, ''],
    ['FieldMask', 'a.bC', '0a05612e625f63'],
  ];
  for (const [name, json, expected] of cases)
    test(`${name} ${JSON.stringify(json)}`, () => assert.equal(encoded(`google.protobuf.${name}`, json), expected));

  test('a number of 64 bits is exact as a text', () => {
    assert.equal(encoded('google.protobuf.UInt64Value', '18446744073709551615'), '08ffffffffffffffffff01');
    assert.equal(encoded('google.protobuf.Int64Value', '-9223372036854775808'), '0880808080808080808001');
    assert.equal(encoded('google.protobuf.Int64Value', 1e15), encoded('google.protobuf.Int64Value', '1e15'));
  });

  test('null unsets a field, and is a value where there is one', () => {
    assert.equal(encoded(CLUSTER, { name: 'a', connectTimeout: null, lbPolicy: null, healthChecks: null }), '0a0161');
    const stringMatcher = 'envoy.type.matcher.v3.StringMatcher';
    assert.equal(encoded(stringMatcher, { exact: null, prefix: 'p' }), encoded(stringMatcher, { prefix: 'p' }));
    assert.equal(encoded(stringMatcher, { exact: '' }), '0a00', 'a member of a oneof has presence');
    const listed = { values: [null] };
    assert.equal(encoded('google.protobuf.ListValue', listed.values), '0a020800');
  });

  test('both spellings, order of fields and of keys make no difference', () => {
    const camel = encoded(CLUSTER, { name: 'a', connectTimeout: '1s', metadata: { filterMetadata: { b: {}, a: {} } } });
    const snake = encoded(CLUSTER, {
      metadata: { filter_metadata: { a: {}, b: {} } },
      connect_timeout: '1s',
      name: 'a',
    });
    assert.equal(camel, snake);
  });

  test('Any inside Any, of messages with fields and with forms of their own, and of base64', () => {
    const struct = { '@type': url('google.protobuf.Struct'), value: { a: 1 } };
    const duration = { '@type': url('google.protobuf.Duration'), value: '1s' };
    const config = (typedConfig: unknown) => ({ name: 'x', typedConfig });
    const name = 'envoy.config.core.v3.TypedExtensionConfig';
    const wrapper = typeNamed(name);
    const any = (type: string, value: Uint8Array) => ({ name: 'x', typed_config: { type_url: url(type), value } });
    const bytesOf = (hexed: string) => Buffer.from(hexed, 'hex');
    const cases: readonly (readonly [unknown, string, string])[] = [
      [duration, 'google.protobuf.Duration', '0801'],
      [struct, 'google.protobuf.Struct', encoded('google.protobuf.Struct', { a: 1 })],
      [{ '@type': url(CLUSTER), name: 'a' }, CLUSTER, '0a0161'],
      [{ '@type': url(CLUSTER), value: 'CgFh' }, CLUSTER, '0a0161'],
      [{ '@type': url('my.own.Message'), value: '_w' }, 'my.own.Message', 'ff'],
      [
        { '@type': url('envoy.config.core.v3.HeaderValue'), value: 'CgFh' },
        'envoy.config.core.v3.HeaderValue',
        '120443674668',
      ],
      [
        { '@type': url('google.protobuf.Any'), value: duration },
        'google.protobuf.Any',
        hex(
          typeNamed('google.protobuf.Any')
            .encode({ type_url: duration['@type'], value: bytesOf('0801') })
            .finish(),
        ),
      ],
    ];
    for (const [json, type, value] of cases)
      assert.equal(encoded(name, config(json)), reflected(wrapper, any(type, bytesOf(value))), JSON.stringify(json));
  });
});

suite('what is refused, with its place', () => {
  const long = Array.from({ length: 120 }).reduce<unknown>((inner) => ({ andRules: { rules: [inner] } }), {
    any: true,
  });
  const cases: readonly (readonly [string, unknown, string, string, RegExp])[] = [
    [CLUSTER, { nam: 'a' }, 'E101', 'nam', /unknown field "nam" of .*did you mean name/],
    [CLUSTER, { edsClusterConfig: { x: 1 } }, 'E101', 'edsClusterConfig.x', /edsConfig, serviceName/],
    [CLUSTER, { connectTimeout: '1s', connect_timeout: '1s' }, 'E102', 'connect_timeout', /the same field/],
    [CLUSTER, { type: 'EDS', clusterType: { name: 'x' } }, 'E103', 'clusterType', /only one of cluster_discovery_type/],
    [CLUSTER, { type: 'EDSS' }, 'E102', 'type', /did you mean EDS/],
    [CLUSTER, { name: 1 }, 'E102', 'name', /a text/],
    [CLUSTER, { name: '\ud800' }, 'E102', 'name', /half surrogate/],
    [CLUSTER, { connectTimeout: 1 }, 'E102', 'connectTimeout', /"1.5s"/],
    [CLUSTER, { connectTimeout: '1.0000000001s' }, 'E102', 'connectTimeout', /duration/],
    [CLUSTER, { connectTimeout: '315576000000.1s' }, 'E102', 'connectTimeout', /duration/],
    [CLUSTER, { respectDnsTtl: 'true' }, 'E102', 'respectDnsTtl', /true or false/],
    [CLUSTER, { healthChecks: {} }, 'E102', 'healthChecks', /an array/],
    [CLUSTER, { healthChecks: [null] }, 'E102', 'healthChecks.0', /an object/],
    [
      CLUSTER,
      { perConnectionBufferLimitBytes: 4294967296 },
      'E102',
      'perConnectionBufferLimitBytes',
      /0\.\.4294967295/,
    ],
    [CLUSTER, { perConnectionBufferLimitBytes: 1.5 }, 'E102', 'perConnectionBufferLimitBytes', /whole number/],
    [CLUSTER, { metadata: { filterMetadata: [] } }, 'E102', 'metadata.filterMetadata', /an object/],
    [CLUSTER, { typedExtensionProtocolOptions: { a: null } }, 'E102', 'typedExtensionProtocolOptions.a', /@type/],
    [CLUSTER, { typedExtensionProtocolOptions: { a: { x: 1 } } }, 'E103', 'typedExtensionProtocolOptions.a', /@type/],
    ['google.protobuf.UInt64Value', 2 ** 60, 'E102', '', /in quotes/],
    ['google.protobuf.UInt64Value', '18446744073709551616', 'E102', '', /0\.\.18446744073709551615/],
    ['google.protobuf.FloatValue', 1e39, 'E102', '', /in range/],
    ['google.protobuf.BytesValue', 'a', 'E102', '', /base64/],
    ['google.protobuf.BytesValue', 'aa=', 'E102', '', /base64/],
    ['google.protobuf.BytesValue', 'a a a', 'E102', '', /base64/],
    ['google.protobuf.Timestamp', '2026-02-30T00:00:00Z', 'E102', '', /RFC 3339/],
    ['google.protobuf.Timestamp', '0000-01-01T00:00:00Z', 'E102', '', /years 1 to 9999/],
    ['google.protobuf.FieldMask', 'a_b', 'E102', '', /camelCase/],
    ['google.protobuf.Empty', { a: 1 }, 'E102', '', /\{\}/],
    ['google.protobuf.Any', { '@type': url('my.own.Message'), a: 1 }, 'E102', '@type', /"value": "<base64>"/],
    ['google.protobuf.Any', { '@type': url('google.protobuf.Duration'), v: '1s' }, 'E101', 'v', /"value"/],
    ['google.protobuf.Any', { '@type': 'cluster' }, 'E102', '@type', /type URL/],
    ['google.protobuf.Any', { '@type': url(CLUSTER), value: '/w==' }, 'E102', 'value', /the bytes are no envoy/],
    ['envoy.config.rbac.v3.Permission', long, 'E106', '', /deeper than 100/],
  ];
  for (const [name, json, code, at, words] of cases)
    test(`${name.slice(name.lastIndexOf('.') + 1)} ${JSON.stringify(json).slice(0, 60)}`, () => {
      const found = refusal(name, json);
      assert.equal(found.code, code);
      if (code !== 'E106') assert.equal(found.at, at);
      assert.match(found.text, words);
    });
});

suite('bytes given as they are', () => {
  const bytesOf = (type: string, hexed: string): string =>
    hex(encodeResourceJson(url(type), { '@type': url(type), value: Buffer.from(hexed, 'hex').toString('base64') }));

  test('are taken, also when they are not canonical or of a message that nobody knows', () => {
    assert.equal(bytesOf(CLUSTER, '0a0161'), '0a0161');
    assert.equal(bytesOf(CLUSTER, '0a01610a0162'), '0a01610a0162', 'a field twice');
    assert.equal(bytesOf(CLUSTER, '0a0161fa3f0100'), '0a0161fa3f0100', 'an unknown field');
    assert.equal(bytesOf('my.own.Message', 'ffff'), 'ffff');
    assert.equal(bytesOf(CLUSTER, ''), '');
  });

  test('must decode as the message that they are said to be', () => {
    for (const bad of ['0a', '0a05', '0801', '0a01ff', '0b', 'ff', '12', '2202', '220208'])
      assert.throws(() => bytesOf(CLUSTER, bad), ProtoJsonError, bad);
  });

  test('every message that the encoder makes passes', () => {
    for (const type of types.filter(({ fullName }) => !fullName.startsWith('.google.protobuf.'))) {
      fc.assert(
        fc.property(messageOf(type, 2), ({ json }) => {
          const name = type.fullName.slice(1);
          const value = encoded(name, json);
          assert.equal(bytesOf(name, value), value);
        }),
        { numRuns: 2 },
      );
    }
  });
});

suite('whatever comes in', () => {
  const names = types.map(({ fullName }) => fullName.slice(1));
  const quiet = (work: () => unknown): void => {
    try {
      work();
    } catch (error) {
      assert.ok(error instanceof ProtoJsonError, String(error));
      assert.match(error.code, /^E10[1236]$/);
      assert.ok(error.message.length > 10);
    }
  };

  test('JSON is encoded, or refused with a code', () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 5 }), (name, json) =>
        quiet(() => encodeJson(name, JSON.parse(JSON.stringify(json)))),
      ),
      { numRuns: 2_000 },
    );
  });

  test('a good message with one value replaced is encoded, or refused with a code', () => {
    const replaced = (json: unknown, by: unknown, at: number): unknown => {
      let left = at;
      return JSON.parse(JSON.stringify(json), (_key, value: unknown) => (left-- === 0 ? by : value));
    };
    const anyType = fc.constantFrom(...types).chain((type) => fc.tuple(fc.constant(type), messageOf(type, 3)));
    fc.assert(
      fc.property(anyType, fc.jsonValue({ maxDepth: 1 }), fc.nat(12), ([type, { json }], by, at) =>
        quiet(() => encodeJson(type.fullName.slice(1), replaced(json, by, at) ?? {})),
      ),
      { numRuns: 2_000 },
    );
  });

  test('bytes are taken, or refused with a code', () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.uint8Array({ maxLength: 60 }), (name, value) =>
        quiet(() => encodeResourceJson(url(name), { value: Buffer.from(value).toString('base64') })),
      ),
      { numRuns: 5_000 },
    );
    const nested = Array.from({ length: 50_000 }).reduce<Buffer>((inner) => {
      const length =
        inner.length < 0x80
          ? Buffer.from([inner.length])
          : Buffer.from([
              0x80 | (inner.length & 0x7f),
              0x80 | ((inner.length >> 7) & 0x7f),
              (inner.length >> 14) & 0x7f,
            ]);
      return inner.length > 200_000 ? inner : Buffer.concat([Buffer.from([0x0a]), length, inner]);
    }, Buffer.alloc(0));
    // Permission.and_rules.rules, over and over: the stack must hold.
    assert.throws(
      () =>
        encodeResourceJson(url('envoy.config.rbac.v3.Permission.Set'), {
          value: Buffer.from(nested).toString('base64'),
        }),
      ProtoJsonError,
    );
  });
});
