import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TendrilError } from '../../src/model/index.ts';
import {
  CDS,
  composeStateResponse,
  decodeStateRequest,
  decodeStateResponse,
  encodeAny,
  encodeStateRequest,
  envoy,
  type StateRequest,
} from '../../src/proto/index.ts';

const { DiscoveryRequest, DiscoveryResponse } = envoy.service.discovery.v3;

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const names = fc.array(text, { maxLength: 5 });
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));

const request = fc.record(
  {
    node: fc.record({
      id: text,
      cluster: text,
      metadata: fc.constant({}),
      locality: fc.record({ region: text, zone: text, subzone: text }),
      userAgentName: text,
      clientFeatures: names,
    }),
    versionInfo: text,
    typeUrl: text,
    names,
    responseNonce: text,
    errorDetail: fc.record({ code: fc.nat(16), message: text }),
  },
  { requiredKeys: ['versionInfo', 'typeUrl', 'names', 'responseNonce'] },
) as fc.Arbitrary<StateRequest>;

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('a state-of-the-world request decodes to what was encoded, and as the generated code sees it', () => {
  fc.assert(
    fc.property(request, (given) => {
      const encoded = encodeStateRequest(given);
      assert.deepEqual(plain(decodeStateRequest(encoded)), plain(given));
      const generated = DiscoveryRequest.decode(encoded);
      assert.deepEqual(
        [generated.versionInfo, generated.resourceNames, generated.typeUrl, generated.responseNonce],
        [given.versionInfo, given.names, given.typeUrl, given.responseNonce],
      );
      assert.deepEqual(
        [generated.node?.id, generated.errorDetail?.message],
        [given.node?.id, given.errorDetail?.message],
      );
      assert.equal(DiscoveryRequest.encode(generated).finish().length, encoded.length);
    }),
  );
});

test('a composed state-of-the-world response is byte for byte what the generated code encodes', () => {
  const part = fc.record({ typeUrl: fc.string({ minLength: 1, maxLength: 20 }), value: bytes });
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 4 }),
      text,
      text,
      text,
      text,
      (resources, versionInfo, typeUrl, nonce, control) => {
        const composed = composeStateResponse({
          versionInfo,
          typeUrl,
          nonce,
          resources: resources.map(({ typeUrl: type, value }) => encodeAny(type, value)),
          controlPlaneId: control,
        });
        const generated = DiscoveryResponse.encode({
          versionInfo,
          resources,
          typeUrl,
          nonce,
          ...(control === '' ? {} : { controlPlane: { identifier: control } }),
        }).finish();
        assert.deepEqual(Buffer.from(composed), Buffer.from(generated));
        assert.deepEqual(
          { ...decodeStateResponse(composed), resources: [] },
          { versionInfo, typeUrl, nonce, controlPlaneId: control, resources: [] },
        );
        assert.deepEqual(
          decodeStateResponse(composed).resources.map(({ typeUrl: type, value }) => ({
            typeUrl: type,
            value: Buffer.from(value),
          })),
          resources.map(({ typeUrl: type, value }) => ({ typeUrl: type, value })),
        );
      },
    ),
  );
});

test('whatever bytes come, decoding ends with a value or a TendrilError', () => {
  const valid = [
    encodeStateRequest({
      versionInfo: 'v',
      node: {
        id: 'n',
        cluster: 'web.shop',
        metadata: { service: 'web' },
        locality: { region: 'eu', zone: 'a', subzone: '' },
        userAgentName: 'gRPC Node Pure JS',
        clientFeatures: ['x'],
      },
      names: ['a', 'b'],
      typeUrl: CDS,
      responseNonce: '7',
      errorDetail: { code: 13, message: 'no' },
    }),
    composeStateResponse({ versionInfo: 'v', typeUrl: CDS, nonce: '3', resources: [encodeAny(CDS, Buffer.from('x'))] }),
  ];
  const input = fc
    .tuple(
      fc.constantFrom(...valid),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(),
    )
    .map(([message, changes, cut]) => {
      const copy = Buffer.from(message);
      for (const [at, to] of changes) copy[at % copy.length] = to;
      return cut % 3 === 0 ? copy.subarray(0, cut % copy.length) : copy;
    });
  const limits = { maxNames: 20, maxNameBytes: 64, maxMetadataValues: 20 };
  fc.assert(
    fc.property(fc.oneof(input, bytes), (given) => {
      for (const decode of [decodeStateRequest, decodeStateResponse])
        try {
          decode(given, limits);
        } catch (error) {
          if (!(error instanceof TendrilError)) throw error;
        }
    }),
    { numRuns: 2000 },
  );
});

test('bounds: names and their length', () => {
  const many = { versionInfo: '', typeUrl: '', responseNonce: '', names: ['a', 'b', 'c'] };
  const limits = { maxNames: 3, maxNameBytes: 8, maxMetadataValues: 5 };
  assert.deepEqual(decodeStateRequest(encodeStateRequest(many), limits).names, many.names);
  for (const names of [['a', 'b', 'c', 'd'], ['123456789']])
    assert.throws(() => decodeStateRequest(encodeStateRequest({ ...many, names }), limits), { code: 'XDS_LIMIT' });
});
