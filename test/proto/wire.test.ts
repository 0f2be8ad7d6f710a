import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TendrilError } from '../../src/model/index.ts';
import {
  CDS,
  composeDeltaResponse,
  DEFAULT_WIRE_LIMITS,
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  type DeltaRequest,
  decodeDeltaRequest,
  decodeDeltaResponse,
  encodeDeltaRequest,
  encodeResource,
  encodeVirtualHostResource,
  type JsonObject,
  Resource,
  resourceSize,
  VHDS,
  VirtualHost,
  virtualHostResourceSize,
} from '../../src/proto/index.ts';
import { samples } from './samples.ts';

/** Well-formed texts of any script: what a protobuf string can hold. */
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const names = fc.array(text, { maxLength: 5 });
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));

const scalar = fc.oneof(text, fc.double({ noNaN: true }), fc.boolean(), fc.constant(null));
const metadata: fc.Arbitrary<JsonObject> = fc.dictionary(
  text,
  fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), fc.dictionary(text, scalar, { maxKeys: 3 })),
  { maxKeys: 4 },
);

const request: fc.Arbitrary<DeltaRequest> = fc.record(
  {
    node: fc.record({
      id: text,
      cluster: text,
      metadata,
      locality: fc.record({ region: text, zone: text, subzone: text }),
      userAgentName: text,
      clientFeatures: names,
    }),
    typeUrl: text,
    subscribe: names,
    unsubscribe: names,
    initialResourceVersions: fc
      .dictionary(text, text, { maxKeys: 5 })
      .map((versions) => new Map(Object.entries(versions))),
    responseNonce: text,
    errorDetail: fc.record({ code: fc.nat(16), message: text }),
  },
  { requiredKeys: ['typeUrl', 'subscribe', 'unsubscribe', 'initialResourceVersions', 'responseNonce'] },
) as fc.Arbitrary<DeltaRequest>;

/** As JSON text: without prototypes, maps as sorted lists, -0 as 0. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_key, item) => (item instanceof Map ? [...item].sort() : item)));

test('a delta request decodes to what was encoded, and as the generated code sees it', () => {
  fc.assert(
    fc.property(request, (given) => {
      const encoded = encodeDeltaRequest(given);
      assert.deepEqual(plain(decodeDeltaRequest(encoded)), plain(given));
      const generated = DeltaDiscoveryRequest.decode(encoded);
      assert.equal(generated.typeUrl, given.typeUrl);
      assert.deepEqual(generated.resourceNamesSubscribe, given.subscribe);
      assert.deepEqual(generated.resourceNamesUnsubscribe, given.unsubscribe);
      assert.deepEqual(new Map(Object.entries(generated.initialResourceVersions)), given.initialResourceVersions);
      assert.equal(generated.responseNonce, given.responseNonce);
      assert.equal(generated.node?.id, given.node?.id);
      assert.equal(generated.errorDetail?.code, given.errorDetail?.code);
      assert.deepEqual(Buffer.from(DeltaDiscoveryRequest.encode(generated).finish()).length, encoded.length);
    }),
  );
});

test('a composed response is byte for byte what the generated code encodes', () => {
  const resource = fc.record({
    name: text,
    version: text,
    typeUrl: text,
    aliases: names,
    body: fc.option(bytes, { nil: undefined }),
  });
  fc.assert(
    fc.property(
      fc.array(resource, { maxLength: 4 }),
      names,
      text,
      text,
      text,
      text,
      (parts, removed, typeUrl, nonce, system, control) => {
        const composed = composeDeltaResponse({
          typeUrl,
          nonce,
          removed,
          systemVersionInfo: system,
          controlPlaneId: control,
          resources: parts.map(({ body, ...rest }) => encodeResource(body === undefined ? rest : { ...rest, body })),
        });
        const generated = DeltaDiscoveryResponse.encode({
          systemVersionInfo: system,
          resources: parts.map(({ name, version, aliases, typeUrl: type, body }) => ({
            name,
            version,
            aliases,
            ...(body === undefined ? {} : { resource: { typeUrl: type, value: body } }),
          })),
          typeUrl,
          nonce,
          removedResources: removed,
          ...(control === '' ? {} : { controlPlane: { identifier: control } }),
        }).finish();
        assert.deepEqual(Buffer.from(composed), Buffer.from(generated));

        const decoded = decodeDeltaResponse(composed);
        assert.deepEqual([decoded.typeUrl, decoded.nonce, decoded.systemVersionInfo], [typeUrl, nonce, system]);
        assert.deepEqual([decoded.controlPlaneId, decoded.removed], [control, removed]);
        assert.deepEqual(
          decoded.resources.map(({ name, version, aliases, body }) => ({
            name,
            version,
            aliases,
            body: body && Buffer.from(body),
          })),
          parts.map(({ name, version, aliases, body }) => ({ name, version, aliases, body })),
        );
      },
    ),
  );
});

test('a virtual host gets the name of its resource, whatever the route configuration', () => {
  const original = VirtualHost.decode(samples.virtualHost.bytes);
  const tail = samples.virtualHost.bytes.subarray(2 + Buffer.byteLength(original.name));
  const name = `outbound~2/${'a'.repeat(130)}.shop:80`;
  const resource = Resource.decode(
    encodeVirtualHostResource({ name, version: 'v', tail, aliases: [name, 'outbound~2/x'] }),
  );
  assert.equal(resource.resource?.typeUrl, VHDS);
  assert.deepEqual([resource.name, resource.version, resource.aliases], [name, 'v', [name, 'outbound~2/x']]);
  const spliced = VirtualHost.decode(resource.resource?.value ?? Buffer.alloc(0));
  assert.equal(spliced.name, name);
  assert.deepEqual({ ...spliced, name: '' }, { ...original, name: '' });
});

test('a resource without body has no Any', () => {
  const negative = encodeResource({ name: 'outbound/nx', version: 'neg-1', typeUrl: VHDS, aliases: ['outbound/nx'] });
  assert.equal(Resource.decode(negative).resource, null);
  const [decoded] = decodeDeltaResponse(
    composeDeltaResponse({ typeUrl: VHDS, nonce: '1', resources: [negative], removed: [] }),
  ).resources;
  assert.deepEqual(decoded, { name: 'outbound/nx', version: 'neg-1', aliases: ['outbound/nx'] });
});

const field = (number: number, content: Uint8Array): Buffer => {
  const length: number[] = [];
  for (let rest = content.length; ; rest >>>= 7) {
    length.push(rest < 128 ? rest : (rest & 127) | 128);
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), content]);
};

test('node.extensions are passed over, in the hand-written and in the generated decoder', () => {
  const extension = field(9, field(1, Buffer.from('envoy.filters.http.router')));
  const node = Buffer.concat([
    field(1, Buffer.from('n1')),
    ...Array<Buffer>(2000).fill(extension),
    field(2, Buffer.from('web.shop')),
  ]);
  const message = Buffer.concat([field(1, node), field(2, Buffer.from(CDS))]);
  const decoded = decodeDeltaRequest(message);
  assert.deepEqual([decoded.node?.id, decoded.node?.cluster, decoded.typeUrl], ['n1', 'web.shop', CDS]);
  assert.deepEqual(Object.keys(DeltaDiscoveryRequest.decode(message).node ?? {}).includes('extensions'), false);
});

test('metadata keys are data: __proto__ and constructor change no prototype', () => {
  const given = JSON.parse(
    '{"__proto__": {"polluted": true}, "constructor": "x", "a": {"__proto__": "y"}}',
  ) as JsonObject;
  const empty = { typeUrl: CDS, subscribe: [], unsubscribe: [], initialResourceVersions: new Map(), responseNonce: '' };
  const node = {
    id: '',
    cluster: '',
    metadata: given,
    locality: { region: '', zone: '', subzone: '' },
    userAgentName: '',
    clientFeatures: [],
  };
  const decoded = decodeDeltaRequest(encodeDeltaRequest({ ...empty, node })).node;
  assert.equal(
    JSON.stringify(decoded?.metadata),
    '{"__proto__":{"polluted":true},"a":{"__proto__":"y"},"constructor":"x"}',
  );
  assert.equal(Object.getPrototypeOf(decoded?.metadata), null);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof TendrilError) return error.code;
    throw error;
  }
};

test('bounds: names, their length, depth and number of metadata values', () => {
  const limits = { ...DEFAULT_WIRE_LIMITS, maxNames: 3, maxNameBytes: 8, maxMetadataValues: 5 };
  const subscribe = (...given: string[]) => Buffer.concat(given.map((name) => field(3, Buffer.from(name))));
  assert.equal(
    codeOf(() => decodeDeltaRequest(subscribe('a', 'b', 'c'), limits)),
    undefined,
  );
  assert.equal(
    codeOf(() => decodeDeltaRequest(subscribe('a', 'b', 'c', 'd'), limits)),
    'XDS_LIMIT',
  );
  assert.equal(
    codeOf(() =>
      decodeDeltaRequest(
        Buffer.concat([subscribe('a', 'b'), field(4, Buffer.from('c')), field(5, Buffer.alloc(0))]),
        limits,
      ),
    ),
    'XDS_LIMIT',
  );
  assert.equal(
    codeOf(() => decodeDeltaRequest(subscribe('123456789'), limits)),
    'XDS_LIMIT',
  );
  const values = (count: number) =>
    field(
      1,
      field(
        3,
        Buffer.concat(
          Array.from({ length: count }, (_, i) =>
            field(1, Buffer.concat([field(1, Buffer.from([65 + i])), field(2, Buffer.from([0x20, 1]))])),
          ),
        ),
      ),
    );
  assert.equal(
    codeOf(() => decodeDeltaRequest(values(5), limits)),
    undefined,
  );
  assert.equal(
    codeOf(() => decodeDeltaRequest(values(6), limits)),
    'XDS_LIMIT',
  );
  let nested: Buffer = Buffer.from([0x20, 1]); // bool_value: true
  const depths: (string | undefined)[] = [];
  for (let depth = 1; depth <= 34; depth++) {
    const value = nested;
    depths.push(codeOf(() => decodeDeltaRequest(field(1, field(3, field(1, field(2, value)))))));
    nested = depth % 2 === 0 ? field(6, field(1, value)) : field(5, field(1, field(2, value)));
  }
  assert.deepEqual(depths, [...Array<undefined>(32).fill(undefined), 'XDS_LIMIT', 'XDS_LIMIT']);
});

test('invalid UTF-8, cut messages, field 0, groups and endless numbers are malformed', () => {
  for (const bad of [
    '1a02c328',
    '1a05616263',
    '1a',
    '0001',
    '1b',
    '1affffffffffffffffffff01',
    '08ffffffffffffffffffffff',
    '29010203',
  ]) {
    assert.equal(
      codeOf(() => decodeDeltaRequest(Buffer.from(bad, 'hex'))),
      'XDS_MALFORMED',
      bad,
    );
    assert.equal(
      codeOf(() => decodeDeltaResponse(Buffer.from(bad.replace(/^1a/, '22'), 'hex'))),
      'XDS_MALFORMED',
      bad,
    );
  }
});

test('whatever bytes come, decoding ends with a value or a TendrilError', () => {
  const valid = [
    encodeDeltaRequest({
      node: {
        id: 'sidecar~1',
        cluster: 'web.shop',
        metadata: { service: 'web', labels: { version: 'v1' }, list: [1, [2, null]] },
        locality: { region: 'eu', zone: 'a', subzone: '' },
        userAgentName: 'envoy',
        clientFeatures: ['x'],
      },
      typeUrl: CDS,
      subscribe: ['*', 'ümlaut'],
      unsubscribe: ['b'],
      initialResourceVersions: new Map([['a', 'v1']]),
      responseNonce: '7',
      errorDetail: { code: 13, message: 'no' },
    }),
    composeDeltaResponse({
      typeUrl: CDS,
      nonce: '3',
      resources: [
        encodeResource({ name: 'a', version: 'v', typeUrl: CDS, body: samples.cluster.bytes, aliases: ['b'] }),
      ],
      removed: ['c'],
      controlPlaneId: 'cp',
    }),
  ];
  const change = fc.record({ at: fc.nat(), to: fc.nat(255), cut: fc.nat() });
  const mutated = fc
    .tuple(fc.constantFrom(...valid), fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([message, changes]) => {
      const copy = Buffer.from(message);
      for (const { at, to } of changes) copy[at % copy.length] = to;
      const [first] = changes;
      return first !== undefined && first.cut % 3 === 0 ? copy.subarray(0, first.cut % copy.length) : copy;
    });
  fc.assert(
    fc.property(fc.oneof(mutated, bytes), (input) => {
      const limits = { maxNames: 20, maxNameBytes: 64, maxMetadataValues: 20 };
      codeOf(() => decodeDeltaRequest(input, limits));
      codeOf(() => decodeDeltaResponse(input, limits));
    }),
    { numRuns: 2000 },
  );
});

test('the computed length of a resource is the length that it is encoded with', () => {
  const parts = { name: text, version: text, aliases: names };
  fc.assert(
    fc.property(fc.record({ ...parts, body: fc.option(bytes, { nil: undefined }) }), ({ body, ...rest }) => {
      const resource = { ...rest, typeUrl: CDS, ...(body === undefined ? {} : { body }) };
      assert.equal(resourceSize(resource), encodeResource(resource).length);
    }),
  );
  fc.assert(
    fc.property(fc.record({ ...parts, tail: bytes }), (resource) => {
      assert.equal(virtualHostResourceSize(resource), encodeVirtualHostResource(resource).length);
    }),
  );
});
