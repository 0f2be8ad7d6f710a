/** Checklist rules 8 to 13: the wildcard of a delta stream. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CDS, LDS } from '../../../src/proto/index.ts';
import { nodeOf } from '../support/memory-mesh.ts';
import { says } from '../support/says.ts';
import { standUp, stream } from '../support/wire-stand.ts';

test('rule 8: a first request without names is the wildcard; subscribe and unsubscribe of * together are "nothing yet"', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80; inbound inbound:80 i1; lds outbound l1
    > cds
    < cds 1: inbound:80@i1, a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > lds
    < lds 3: outbound@l1
    reconnect
    > cds sub *
    < cds 1: inbound:80@i1, a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > lds sub *
    < lds 3: outbound@l1
    reconnect
    > cds sub * unsub *
    > lds sub * unsub *
    mesh service a.shop:80 2; inbound inbound:80 i2; lds outbound l2
    > cds sub a.shop:80
    ! learned app.shop -> a.shop:80
    < cds 1: a.shop:80@c-2
    < eds 2: a.shop:80@e-2
    > lds sub outbound
    < lds 3: outbound@l2
  `));

test('rule 9: the legacy wildcard and a name subscribed later are wildcard and name', () =>
  says(`
    mesh service a.shop:80 1; service b.shop:80 1; preload a.shop:80; lds outbound l1
    > cds
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > cds ack 1
    > cds sub b.shop:80
    ! learned app.shop -> b.shop:80
    < cds 3: b.shop:80@c-1
    < eds 4: b.shop:80@e-1
    > cds ack 3
    > lds
    < lds 5: outbound@l1
    > lds sub outbound
    < lds 6: outbound@l1
    > lds ack 5
    > lds ack 6
    mesh service a.shop:80 2; lds inbound l1
    < cds 7: a.shop:80@c-2
    < eds 8: a.shop:80@e-2
    < lds 9: inbound@l1
  `));

test('rule 10: without * the names stay; with all names gone an empty request does not bring the wildcard back', () =>
  says(`
    mesh service a.shop:80 1; service b.shop:80 1; preload a.shop:80
    > cds
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > cds sub b.shop:80
    ! learned app.shop -> b.shop:80
    < cds 3: b.shop:80@c-1
    < eds 4: b.shop:80@e-1
    > cds unsub *
    > cds ack 1
    > cds
    mesh service a.shop:80 2
    mesh service b.shop:80 2
    < cds 5: b.shop:80@c-2
    < eds 6: b.shop:80@e-2
    > cds unsub b.shop:80
    > cds ack 3
    > cds ack 5
    > cds
    mesh service a.shop:80 3; service b.shop:80 3; inbound inbound:80 i1
  `));

test('rule 11: unsubscribing a name beside the wildcard tells whether the wildcard has it', () =>
  says(`
    mesh service a.shop:80 1; service b.shop:80 1; preload a.shop:80; lds outbound l1
    > cds
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > cds sub a.shop:80 b.shop:80 nx.shop:80
    ! learned app.shop -> a.shop:80
    ! learned app.shop -> b.shop:80
    < cds 3: a.shop:80@c-1, b.shop:80@c-1, nx.shop:80@empty
    < eds 4: a.shop:80@e-1, b.shop:80@e-1
    > cds unsub a.shop:80 b.shop:80 nx.shop:80
    < cds 5: a.shop:80@c-1; removed b.shop:80 nx.shop:80
    < eds 6: a.shop:80@e-1
    > lds
    < lds 7: outbound@l1
    > lds sub outbound nx
    < lds 8: outbound@l1; removed nx
    > lds unsub outbound nx
    < lds 9: outbound@l1; removed nx
    # It is still in the wildcard, so its changes come.
    > lds ack 7
    > lds ack 8
    > lds ack 9
    mesh lds outbound l2
    < lds 10: outbound@l2
  `));

test('rule 11: a route configuration that ends takes back names that were asked for, not those that were only unsubscribed', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80
    > rds sub outbound
    < rds 1: outbound@rc
    > vhds
    < vhds 2: outbound/a.shop:80@h-1 [a.shop a.shop:80]
    > rds ack 1
    > vhds sub outbound/nx1 outbound/nx2
    < vhds 3: outbound/nx1 (nothing, neg-t1-1), outbound/nx2 (nothing, neg-t1-2)
    > vhds ack 2
    > vhds ack 3
    > vhds unsub outbound/nx1 outbound/invented outbound/invented2
    > rds sub outbound~1
    < rds 4: outbound~1@rc
    < vhds 5: outbound~1/a.shop:80@h-1 [a.shop a.shop:80]
    > vhds ack 5
    > rds unsub outbound
    < vhds 6: removed outbound/nx1 outbound/a.shop:80
  `));

test('rule 11: of names unsubscribed the newest are remembered, as many as a stream may ask for', () =>
  says(`
    limit namesPerStream 3
    > rds sub outbound
    < rds 1: outbound@rc
    > vhds
    < vhds 2: removed outbound/-
    > vhds sub outbound/nx1 outbound/nx2 ack 2
    < vhds 3: outbound/nx1 (nothing, neg-t2-1), outbound/nx2 (nothing, neg-t2-2)
    > vhds unsub outbound/nx1 outbound/nx2 ack 3
    > vhds sub outbound/nx3 outbound/nx4
    < vhds 4: outbound/nx3 (nothing, neg-t2-3), outbound/nx4 (nothing, neg-t2-4)
    > vhds unsub outbound/nx3 outbound/nx4 ack 4
    > rds unsub outbound
    < vhds 5: removed outbound/nx2 outbound/nx3 outbound/nx4
  `));

test('rule 12: a wildcard with nothing to send gets an empty response over gRPC', async () => {
  const { port } = await standUp();
  const client = stream(port);
  client.hello('app.shop');
  const clusters = await client.response(0);
  assert.deepEqual([clusters.typeUrl, clusters.resources, clusters.removed], [CDS, [], []]);
  client.send({ typeUrl: LDS, subscribe: ['*'] });
  const listeners = await client.response(1);
  assert.deepEqual([listeners.typeUrl, listeners.resources, listeners.removed], [LDS, [], []]);
});

test('rule 13: a wildcard that holds everything gets one empty response on reconnect, over gRPC', async () => {
  const { mesh, port } = await standUp();
  mesh.listeners.set('outbound', { version: 'l1', body: new Uint8Array() });
  mesh.inbound.set('inbound:80', { version: 'i1', body: new Uint8Array() });
  const client = stream(port);
  client.send({ typeUrl: CDS, node: nodeOf('app.shop'), initialResourceVersions: new Map([['inbound:80', 'i1']]) });
  client.send({ typeUrl: LDS, initialResourceVersions: new Map([['outbound', 'l1']]) });
  client.send({ typeUrl: LDS, subscribe: ['nx'] });
  const last = await client.response(2);
  assert.deepEqual(
    client.responses.map(({ typeUrl, resources, removed }) => [typeUrl, resources.length, removed]),
    [
      [CDS, 0, []],
      [LDS, 0, []],
      [LDS, 0, ['nx']],
    ],
  );
  assert.equal(last.nonce, '3');
});

test('rule 13: VHDS is silent on reconnect where all is held, for nothing waits for it', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80
    > cds irv a.shop:80=c-1
    < cds 1: (empty)
    > rds sub outbound irv outbound=rc
    > vhds sub * irv outbound/a.shop:80=h-1
  `));
