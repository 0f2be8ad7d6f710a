/** Checklist rules 66 to 71: names and their aliases, what is absent, and the fields that are not used. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CDS,
  DeltaDiscoveryResponse,
  EDS,
  encodeDeltaRequest,
  encodeStateRequest,
  VHDS,
} from '../../../src/proto/index.ts';
import { WireReader } from '../../../src/proto/wire-reader.ts';
import { nodeOf } from '../support/memory-mesh.ts';
import { says } from '../support/says.ts';
import { putService, standUp, stateStream, stream } from '../support/wire-stand.ts';

test('rule 66: an alias is answered under the canonical name with all aliases; an unknown host without a body', () =>
  says(`
    mesh service cart.shop:80 1 domains cart,cart.shop.mesh.local
    > rds sub outbound
    < rds 1: outbound@rc
    > vhds
    < vhds 2: removed outbound/-
    > vhds sub outbound/cart
    ! learned app.shop -> cart.shop:80
    < vhds 3: outbound/cart.shop:80@h-1 [cart.shop cart.shop:80 cart cart.shop.mesh.local]
    > vhds sub outbound/nx.shop
    < vhds 4: outbound/nx.shop (nothing, neg-t1-1)
    # Removed by the canonical name.
    mesh service cart.shop:80 gone
    < vhds 5: removed outbound/cart.shop:80
  `));

test('rule 66: on the wire the aliases are whole names and the negative answer has no resource field', async () => {
  const { mesh, port } = await standUp();
  putService(mesh, 'cart.shop:80', '1');
  const client = stream(port);
  client.send({ typeUrl: VHDS, node: nodeOf('app.shop'), subscribe: ['outbound/cart.shop', 'outbound/nx'] });
  await client.response(0);
  const [message] = client.messages;
  const resources = DeltaDiscoveryResponse.decode(message ?? new Uint8Array()).resources;
  assert.deepEqual(
    resources.map(({ name, aliases, resource }) => [name, aliases, (resource ?? null) !== null]),
    [
      ['outbound/cart.shop:80', ['outbound/cart.shop', 'outbound/cart.shop:80'], true],
      ['outbound/nx', ['outbound/nx'], false],
    ],
  );
});

test('rule 67: an on-demand cluster beside the wildcard; an absent one is answered at once and stands for nothing', () =>
  says(`
    mesh service a.shop:80 1
    > cds
    < cds 1: (empty)
    > cds ack 1
    > cds sub a.shop:80
    ! learned app.shop -> a.shop:80
    < cds 2: a.shop:80@c-1
    < eds 3: a.shop:80@e-1
    > cds sub gone.shop:80
    < cds 4: gone.shop:80@empty
    # After a restart of the server Envoy asks again for what it was told is gone: the answer is the same, no edge is learned.
    reconnect
    > cds sub * a.shop:80 gone.shop:80 irv a.shop:80=c-1
    ! learned app.shop -> a.shop:80
    < cds 1: gone.shop:80@empty
  `));

const BASE = 'xdstp://mesh/envoy.config.cluster.v3.Cluster';

test('rule 68: xdstp context parameters count in any order, and the answer has the spelling of the question', () =>
  says(`
    mesh raw cds ${BASE}/a?x=1&y=2 c1 static; raw ecds ${BASE}/f?x=1&y=2 f1
    > cds sub ${BASE}/a?y=2&x=1 ${BASE}/a?x=1 ${BASE}/a
    < cds 1: ${BASE}/a?y=2&x=1@c1, ${BASE}/a?x=1@empty, ${BASE}/a@empty
    > ecds sub ${BASE}/f?y=2&x=1 ${BASE}/f?x=1&y=2
    < ecds 2: ${BASE}/f?y=2&x=1@f1, ${BASE}/f?x=1&y=2@f1
    > cds ack 1
    > ecds ack 2
    mesh raw cds ${BASE}/a?x=1&y=2 c2 static; raw ecds ${BASE}/f?x=1&y=2 f2
    < cds 3: ${BASE}/a?y=2&x=1@c2
    < ecds 4: ${BASE}/f?x=1&y=2@f2, ${BASE}/f?y=2&x=1@f2
    > cds ack 3
    > ecds ack 4
    mesh raw ecds ${BASE}/f?x=1&y=2 gone
    < ecds 5: removed ${BASE}/f?x=1&y=2 ${BASE}/f?y=2&x=1
    # What the client brings is compared under its own spelling.
    reconnect
    > cds sub ${BASE}/a?y=2&x=1 irv ${BASE}/a?y=2&x=1=c2
    sotw
    > cds names ${BASE}/a?y=2&x=1
    < cds 1: ${BASE}/a?y=2&x=1@c2
    > cds names ${BASE}/a?y=2&x=1 ack 1
    mesh raw cds ${BASE}/a?x=1&y=2 c3 static
    < cds 2: ${BASE}/a?y=2&x=1@c3
    # A wildcard has the spelling of the mesh.
    reconnect
    > cds
    < cds 1: ${BASE}/a?x=1&y=2@c3
    > cds ack 1
    mesh raw cds ${BASE}/a?x=1&y=2 c4 static
    < cds 2: ${BASE}/a?x=1&y=2@c4
  `));

test('rule 68: a collection does not exist, and is answered at once', () =>
  says(`
    mesh raw cds ${BASE}/a c1 static; raw lds ${BASE}/l l1
    > cds sub ${BASE}/* ${BASE}/*?x=1 a.shop:80
    < cds 1: a.shop:80@empty; removed ${BASE}/* ${BASE}/*?x=1
    > lds sub ${BASE}/*
    < lds 2: removed ${BASE}/*
    > eds sub ${BASE}/*
    < eds 3: removed ${BASE}/*
    > ecds sub ${BASE}/*
    < ecds 4: removed ${BASE}/*
    > vhds sub ${BASE}/*
    < vhds 5: ${BASE}/* (nothing, neg-t1-1)
    > cds ack 1
    > lds ack 2
    > eds ack 3
    mesh lost
    mesh raw cds ${BASE}/b c1 static
    > cds unsub ${BASE}/*
  `));

/** One field with a length, as bytes. */
const field = (number: number, ...parts: readonly (string | Buffer)[]): Buffer => {
  const value = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  return Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), value]);
};
/** ResourceLocator {name 1, dynamic_parameters 2}. */
const LOCATOR = [field(1, 'b.shop:80'), field(2, field(1, 'env'), field(2, 'prod'))];

test('rule 69: resource locators and dynamic parameters are passed over', async () => {
  const { mesh, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  const client = stream(port);
  // Fields 8 (subscribe) and 9 (unsubscribe) of a delta request.
  client.sendBytes(
    Buffer.concat([
      encodeDeltaRequest({
        node: nodeOf('app.shop'),
        typeUrl: EDS,
        subscribe: ['a.shop:80'],
        unsubscribe: [],
        initialResourceVersions: new Map(),
        responseNonce: '',
      }),
      field(8, ...LOCATOR),
      field(9, ...LOCATOR),
    ]),
  );
  assert.deepEqual(
    (await client.response(0)).resources.map(({ name }) => name),
    ['a.shop:80'],
  );
  // Field 7 of a request of the state of the world.
  const state = stateStream(port);
  const request = { node: nodeOf('app.shop'), typeUrl: EDS, names: ['a.shop:80'], versionInfo: '', responseNonce: '' };
  state.sendBytes(Buffer.concat([encodeStateRequest(request), field(7, ...LOCATOR)]));
  assert.equal((await state.response(0)).resources.length, 1);
});

test('rule 70: what a node may not have is answered like what does not exist; resource_errors is not used', async () => {
  const { mesh, port } = await standUp();
  putService(mesh, 'secret.shop:80', '1');
  mesh.denied.add('app.shop secret.shop:80');
  const client = stream(port);
  client.send({ typeUrl: CDS, node: nodeOf('app.shop'), subscribe: ['secret.shop:80', 'absent.shop:80'] });
  client.send({ typeUrl: VHDS, subscribe: ['outbound/secret.shop', 'outbound/absent.shop'] });
  await client.response(1);
  const [clusters, hosts] = client.messages.map((bytes) => DeltaDiscoveryResponse.decode(bytes));
  assert.deepEqual(
    clusters?.resources.map(({ name, version }) => [name, version]),
    [
      ['secret.shop:80', 'empty'],
      ['absent.shop:80', 'empty'],
    ],
  );
  assert.deepEqual(
    hosts?.resources.map(({ name, resource }) => [name, resource ?? null]),
    [
      ['outbound/secret.shop', null],
      ['outbound/absent.shop', null],
    ],
  );
  // resource_errors is field 9; what stands on the wire is version 1, resources 2, type 4, nonce 5, removed 6, control plane 7.
  for (const message of client.messages) {
    const reader = new WireReader(message);
    while (reader.at < reader.end) {
      const tag = reader.tag();
      assert.ok([1, 2, 4, 5, 6, 7].includes(tag >>> 3), `field ${tag >>> 3}`);
      reader.skip(tag);
    }
  }
});

test('rule 71: a filter configuration that is absent is answered at once; one put in its place is a change, a deleted one goes', () =>
  says(`
    > ecds sub fault
    < ecds 1: removed fault
    > ecds ack 1
    mesh raw ecds fault f1
    < ecds 2: fault@f1
    > ecds ack 2
    mesh raw ecds fault pass-through
    < ecds 3: fault@pass-through
    > ecds ack 3
    mesh raw ecds fault gone
    < ecds 4: removed fault
  `));
