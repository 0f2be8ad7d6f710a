/** Responses composed once: the same bytes but for the nonce, made anew when anything else differs, bounded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainResource, type SentResource } from '../../src/delta-xds/effect.ts';
import { SharedShapes } from '../../src/delta-xds/index.ts';
import { ResponseTemplates } from '../../src/delta-xds/response-templates.ts';
import { appendNonce, composeDeltaResponse, decodeDeltaResponse, EDS, encodeResource } from '../../src/proto/index.ts';

const body = new Uint8Array([10, 1, 97]);

const compose = (resources: readonly SentResource[], systemVersionInfo: string) => {
  const encoded = resources.map(({ name, version }) => encodeResource({ name, version, typeUrl: EDS, body }));
  const parts = { typeUrl: EDS, nonce: '', resources: encoded, removed: [], controlPlaneId: 'cp', systemVersionInfo };
  return { size: encoded[0]?.length ?? 0, head: composeDeltaResponse(parts) };
};

test('a response with a nonce put behind it says what one composed with it says', () => {
  const resources = [plainResource('a.shop:80', 'v1', body)];
  const { head } = compose(resources, '7');
  for (const nonce of ['1', '48', '123456789']) {
    const { nonce: read, ...rest } = decodeDeltaResponse(appendNonce(head, nonce));
    const { nonce: none, ...same } = decodeDeltaResponse(head);
    assert.deepEqual([read, none], [nonce, '']);
    assert.deepEqual(rest, same);
  }
});

test('it is composed once for a list, type and label, and anew for any other', () => {
  const templates = new ResponseTemplates();
  let composed = 0;
  const ask = (resources: readonly SentResource[], label: string, type = 'eds') =>
    templates.of(type, resources, label, (text) => {
      composed++;
      return compose(resources, text);
    });
  const list = [plainResource('a.shop:80', 'v1', body)];
  const first = ask(list, '7');
  assert.equal(ask(list, '7'), first);
  assert.equal(composed, 1);
  ask(list, '8');
  ask([...list], '7');
  ask(list, '7', 'cds');
  assert.equal(composed, 4);
  for (let label = 0; label < 16; label++) ask(list, `other ${label}`);
  ask(list, '7');
  assert.equal(composed, 21, 'the oldest are forgotten');
});

test('sessions that send the same body under the same name share one list; under another name it is another', () => {
  const shapes = new SharedShapes();
  const resource = { version: 'v1', body };
  const one = shapes.alone('a.shop:80', resource);
  assert.equal(shapes.alone('a.shop:80', resource), one);
  assert.equal(one.resources[0].name, 'a.shop:80');
  assert.equal(shapes.alone('b.shop:80', resource).resources[0].name, 'b.shop:80');
  assert.notEqual(shapes.alone('a.shop:80', { ...resource }), one);
});
