/**
 * Checklist rules 1 to 18: subscriptions of a delta stream. Lines `> ` are the client's, `< ` and `! ` the session's
 * (`support/transcript.ts`); `@empty` is a cluster or assignment without endpoints.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CDS, LDS } from '../../../src/proto/index.ts';
import { nodeOf } from '../support/memory-mesh.ts';
import { says } from '../support/says.ts';
import { standUp, stream } from '../support/wire-stand.ts';

test('rule 1: a name that does not exist is answered at once, in the way of its type', () =>
  says(`
    > cds
    < cds 1: (empty)
    > lds sub nx
    < lds 2: removed nx
    > rds sub nx
    < rds 3: removed nx
    > cds sub nx.shop:80
    < cds 4: nx.shop:80@empty
    > eds sub nx.shop:80
    < eds 5: nx.shop:80@empty
    > vhds sub outbound/nx.shop
    < vhds 6: outbound/nx.shop (nothing, neg-t1-1)
    > type.googleapis.com/acme.Thing sub nx ny
    < type.googleapis.com/acme.Thing 7: removed nx ny
  `));

test('rule 2: an absent name stays subscribed and is pushed when it is created', () =>
  says(`
    > lds sub late
    < lds 1: removed late
    > cds sub late.shop:80
    < cds 2: late.shop:80@empty
    > eds sub late.shop:80
    < eds 3: late.shop:80@empty
    > vhds sub outbound/late.shop
    < vhds 4: outbound/late.shop (nothing, neg-t1-1)
    > lds ack 1
    > cds ack 2
    > eds ack 3
    > vhds ack 4
    mesh service late.shop:80 1; lds late l1
    ! learned app.shop -> late.shop:80
    < cds 5: late.shop:80@c-1
    < eds 6: late.shop:80@e-1
    < lds 7: late@l1
    < vhds 8: outbound/late.shop:80@h-1 [late.shop late.shop:80]
  `));

test('rule 3: every name in subscribe is answered, also a current one; an assignment on its way alone is not', () =>
  says(`
    mesh service a.shop:80 1; lds outbound l1
    > cds sub a.shop:80
    ! learned app.shop -> a.shop:80
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    # The exception: Envoy asks for what was pushed right behind its cluster and is not acknowledged yet.
    > eds sub a.shop:80
    > cds ack 1
    > eds ack 2
    # Envoy collapses "remove, add" into one subscribe.
    > eds sub a.shop:80
    < eds 3: a.shop:80@e-1
    > cds sub a.shop:80
    < cds 4: a.shop:80@c-1
    < eds 5: a.shop:80@e-1
    > lds sub outbound
    < lds 6: outbound@l1
    > lds sub outbound
    < lds 7: outbound@l1
    > rds sub outbound
    < rds 8: outbound@rc
    > rds sub outbound
    < rds 9: outbound@rc
    > vhds sub outbound/a.shop
    < vhds 10: outbound/a.shop:80@h-1 [a.shop a.shop:80]
    > vhds sub outbound/a.shop
    < vhds 11: outbound/a.shop:80@h-1 [a.shop a.shop:80]
  `));

test('rule 4: in the first request of a type, names with an equal version are not sent again', () =>
  says(`
    mesh service a.shop:80 1; lds outbound l1
    > lds sub outbound irv outbound=l1
    > rds sub outbound irv outbound=rc
    > cds sub a.shop:80 irv a.shop:80=c-1
    ! learned app.shop -> a.shop:80
    > eds sub a.shop:80 irv a.shop:80=e-1
    # Asked under an alias, held under the canonical name: aliases are resolved before versions are compared.
    > vhds sub outbound/a.shop irv outbound/a.shop:80=h-1
  `));

test('rule 5: unsubscribed, then subscribed: sent again though unchanged', () =>
  says(`
    mesh service a.shop:80 1; lds outbound l1
    > cds sub a.shop:80
    ! learned app.shop -> a.shop:80
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > cds unsub a.shop:80
    > cds sub a.shop:80
    < cds 3: a.shop:80@c-1
    < eds 4: a.shop:80@e-1
    > eds sub a.shop:80
    > eds unsub a.shop:80
    > eds ack 2
    > eds ack 4
    > eds sub a.shop:80
    < eds 5: a.shop:80@e-1
    > lds sub outbound
    < lds 6: outbound@l1
    > lds unsub outbound
    > lds sub outbound
    < lds 7: outbound@l1
    > rds sub outbound
    < rds 8: outbound@rc
    > vhds sub outbound/a.shop
    < vhds 9: outbound/a.shop:80@h-1 [a.shop a.shop:80]
    > vhds unsub outbound/a.shop
    > vhds sub outbound/a.shop
    < vhds 10: outbound/a.shop:80@h-1 [a.shop a.shop:80]
    > rds unsub outbound
    > rds sub outbound
    < rds 11: outbound@rc
  `));

test('rule 6: an unsubscribe alone gets no response, and changes of what was given up are not sent', () =>
  says(`
    mesh service a.shop:80 1; service b.shop:80 1; lds outbound l1
    > cds sub a.shop:80 b.shop:80
    ! learned app.shop -> a.shop:80
    ! learned app.shop -> b.shop:80
    < cds 1: a.shop:80@c-1, b.shop:80@c-1
    < eds 2: a.shop:80@e-1, b.shop:80@e-1
    > eds sub a.shop:80 b.shop:80
    > lds sub outbound
    < lds 3: outbound@l1
    > rds sub outbound
    < rds 4: outbound@rc
    > vhds sub outbound/a.shop outbound/b.shop
    < vhds 5: outbound/a.shop:80@h-1 [a.shop a.shop:80], outbound/b.shop:80@h-1 [b.shop b.shop:80]
    > cds ack 1
    > eds ack 2
    > lds ack 3
    > rds ack 4
    > vhds ack 5
    > cds unsub a.shop:80
    > eds unsub a.shop:80
    > lds unsub outbound
    > vhds unsub outbound/a.shop outbound/a.shop:80
    mesh service a.shop:80 2; lds outbound l2
    mesh service b.shop:80 2
    < cds 6: b.shop:80@c-2
    < eds 7: b.shop:80@e-2
    < vhds 8: outbound/b.shop:80@h-2 [b.shop b.shop:80]
    > rds unsub outbound
    mesh vhds b.shop:80 h-3 domains b.shop,b.shop:80 clusters b.shop:80
    > type.googleapis.com/acme.Thing sub x
    < type.googleapis.com/acme.Thing 9: removed x
    > type.googleapis.com/acme.Thing unsub x
  `));

test('rule 7: an unsubscribe of what was never subscribed is ignored', () =>
  says(`
    mesh service a.shop:80 1
    > cds unsub zzz.shop:80
    < cds 1: (empty)
    > cds unsub zzz.shop:80
    > lds sub nx
    < lds 2: removed nx
    > lds unsub zzz
    > rds sub outbound
    < rds 3: outbound@rc
    > rds unsub zzz
    > eds sub a.shop:80
    < eds 4: a.shop:80@e-1
    > eds unsub zzz.shop:80
    > vhds
    < vhds 5: removed outbound/-
    > vhds unsub outbound/zzz.shop nothing
    # What was subscribed still is.
    mesh eds a.shop:80 e-2
    < eds 6: a.shop:80@e-2
  `));

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

test('rule 14: a name in both lists is subscribed, then unsubscribed; the stream lives', () =>
  says(`
    mesh service a.shop:80 1; lds outbound l1
    > cds sub a.shop:80 unsub a.shop:80
    > lds sub outbound nx unsub nx
    < lds 1: outbound@l1
    > eds sub a.shop:80 unsub a.shop:80
    > vhds sub outbound/a.shop unsub outbound/a.shop
    mesh service a.shop:80 2
    > cds sub a.shop:80
    ! learned app.shop -> a.shop:80
    < cds 2: a.shop:80@c-2
    < eds 3: a.shop:80@e-2
  `));

test('rule 15: a name twice in a request is one resource', () =>
  says(`
    mesh service a.shop:80 1; lds outbound l1
    > cds sub a.shop:80 a.shop:80 nx.shop:80 nx.shop:80
    ! learned app.shop -> a.shop:80
    < cds 1: a.shop:80@c-1, nx.shop:80@empty
    < eds 2: a.shop:80@e-1
    > eds sub b.shop:80 b.shop:80
    < eds 3: b.shop:80@empty
    > lds sub outbound outbound nx nx
    < lds 4: outbound@l1; removed nx
    > rds sub outbound outbound
    < rds 5: outbound@rc
    # Three names of one virtual host.
    > vhds sub outbound/a.shop outbound/a.shop outbound/a.shop:80 outbound/A.shop outbound/nx outbound/nx
    < vhds 6: outbound/a.shop:80@h-1 [a.shop a.shop:80 A.shop], outbound/nx (nothing, neg-t1-1)
    > type.googleapis.com/acme.Thing sub x x
    < type.googleapis.com/acme.Thing 7: removed x
  `));

test('rule 16: changes and questions that come together go out as one resource per name, never also as a removal', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80; lds outbound l1
    > cds
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > lds
    < lds 3: outbound@l1
    > rds sub outbound
    < rds 4: outbound@rc
    > vhds
    < vhds 5: outbound/a.shop:80@h-1 [a.shop a.shop:80]
    > cds ack 1
    > lds ack 3
    > vhds ack 5
    hold
    mesh service a.shop:80 2; lds outbound gone
    > cds sub a.shop:80 a.shop:80
    ! learned app.shop -> a.shop:80
    > vhds sub outbound/a.shop outbound/a.shop:80
    mesh service a.shop:80 gone; lds outbound l2
    > lds sub outbound nx
    > lds unsub nx
    mesh service a.shop:80 3; lds outbound l3
    drained
    < cds 6: a.shop:80@c-3
    < eds 7: a.shop:80@e-3
    < lds 8: outbound@l3; removed nx
    < vhds 9: outbound/a.shop:80@h-3 [a.shop a.shop:80]
  `));

test('rule 17: what a node neither holds nor asked for is not sent to it', () =>
  says(`
    mesh service a.shop:80 1; service b.shop:80 1; preload a.shop:80
    > cds
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > rds sub outbound
    < rds 3: outbound@rc
    > vhds
    < vhds 4: outbound/a.shop:80@h-1 [a.shop a.shop:80]
    > cds ack 1
    > eds ack 2
    > vhds ack 4
    mesh service b.shop:80 2; eds b.shop:80 e-3; service c.shop:80 1
    mesh service b.shop:80 gone
    mesh lost
  `));

test('rule 18: an Envoy before 1.19 that names its clusters on reconnect is taken at its word: these names, no wildcard', () =>
  says(`
    mesh service a.shop:80 2; service b.shop:80 1; service c.shop:80 1; preload a.shop:80,b.shop:80,c.shop:80
    > cds sub a.shop:80 b.shop:80 gone.shop:80 irv a.shop:80=c-1 b.shop:80=c-1 gone.shop:80=c-1
    ! learned app.shop -> a.shop:80
    ! learned app.shop -> b.shop:80
    < cds 1: a.shop:80@c-2
    < eds 2: a.shop:80@e-2
    tick 1000
    < cds 3: gone.shop:80@empty
    mesh service c.shop:80 2
  `));
