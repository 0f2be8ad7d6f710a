/** Checklist rules 36 to 44: order and warming. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { contentVersion, encodeCanonical, toStruct, VirtualHost } from '../../../src/proto/index.ts';
import { says } from '../support/says.ts';

test('rule 36: one commit is one response per type, in the order CDS, EDS, LDS, RDS, VHDS; EDS behind CDS is one more', () =>
  says(`
    mesh service a.shop:80 1; service b.shop:80 1; preload a.shop:80,b.shop:80; inbound inbound:80 i1; lds outbound l1
    > eds sub a.shop:80 b.shop:80
    < eds 1: a.shop:80@e-1, b.shop:80@e-1
    > lds
    < lds 2: outbound@l1
    > rds sub outbound
    < rds 3: outbound@rc
    > vhds
    < vhds 4: outbound/a.shop:80@h-1 [a.shop a.shop:80], outbound/b.shop:80@h-1 [b.shop b.shop:80]
    > cds
    < cds 5: inbound:80@i1, a.shop:80@c-1, b.shop:80@c-1
    < eds 6: a.shop:80@e-1, b.shop:80@e-1
    > eds ack 1
    > lds ack 2
    > rds ack 3
    > vhds ack 4
    > cds ack 5
    > eds ack 6
    # Assignments behind changed clusters are a response of their own: they pass every gate. Those that changed by themselves follow.
    mesh vhds b.shop:80 h-2 domains b.shop,b.shop:80 clusters b.shop:80; lds outbound l2; eds b.shop:80 e-2; service a.shop:80 2; inbound inbound:80 i2
    < cds 7: inbound:80@i2, a.shop:80@c-2
    < eds 8: a.shop:80@e-2
    < eds 9: b.shop:80@e-2
    < lds 10: outbound@l2
    < vhds 11: outbound/b.shop:80@h-2 [b.shop b.shop:80], outbound/a.shop:80@h-2 [a.shop a.shop:80]
  `));

test('rule 36: raw types have their place in that order: SRDS before VHDS, SDS, ECDS and RTDS behind', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80; raw rtds rt 1; raw ecds ec 1; raw sds sd 1; raw srds sr 1; raw rds rr 1; lds outbound l1
    > rtds sub rt
    < rtds 1: rt@1
    > ecds sub ec
    < ecds 2: ec@1
    > sds sub sd
    < sds 3: sd@1
    > rds sub outbound rr
    < rds 4: outbound@rc, rr@1
    > vhds sub outbound/a.shop
    ! learned app.shop -> a.shop:80
    < vhds 5: outbound/a.shop:80@h-1 [a.shop a.shop:80]
    > srds sub sr
    < srds 6: sr@1
    > lds
    < lds 7: outbound@l1
    > cds
    < cds 8: a.shop:80@c-1
    < eds 9: a.shop:80@e-1
    > rtds ack 1
    > ecds ack 2
    > sds ack 3
    > rds ack 4
    > vhds ack 5
    > srds ack 6
    > lds ack 7
    > cds ack 8
    > eds ack 9
    mesh raw rtds rt 2; raw ecds ec 2; raw sds sd 2; raw srds sr 2; raw rds rr 2; lds outbound l2; service a.shop:80 2
    < cds 10: a.shop:80@c-2
    < eds 11: a.shop:80@e-2
    < lds 12: outbound@l2
    < rds 13: rr@2
    < srds 14: sr@2
    < vhds 15: outbound/a.shop:80@h-2 [a.shop a.shop:80]
    < sds 16: sd@2
    < ecds 17: ec@2
    < rtds 18: rt@2
  `));

test('rule 37: a repointed virtual host goes after the new cluster; the old one goes after its ACK', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80
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
    mesh cds a.shop:80/v2 c1; eds a.shop:80/v2 e1; vhds a.shop:80 h2 domains a.shop clusters a.shop:80/v2; cds a.shop:80 gone; eds a.shop:80 gone
    < cds 5: a.shop:80/v2@c1
    < eds 6: a.shop:80/v2@e1
    < vhds 7: outbound/a.shop:80@h2 [a.shop]
    > cds ack 5
    > eds ack 6
    tick 60000
    > vhds ack 7
    < cds 8: removed a.shop:80
  `));

test('rule 37: a cluster whose listener goes is removed after the listener', () =>
  says(`
    mesh cds redis.shop:6379 c1; eds redis.shop:6379 e1; preload redis.shop:6379; lds tcp l1
    > cds
    < cds 1: redis.shop:6379@c1
    < eds 2: redis.shop:6379@e1
    > lds
    < lds 3: tcp@l1
    > cds ack 1
    > lds ack 3
    mesh preload; lds tcp gone
    < lds 4: removed tcp
    > lds ack 4
    < cds 5: removed redis.shop:6379
  `));

test('rule 38: a changed cluster is followed by its assignment, though that did not change and no ACK has come', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80
    > cds
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > eds sub a.shop:80
    > eds ack 2
    mesh cds a.shop:80 c-2
    < cds 3: a.shop:80@c-2
    < eds 4: a.shop:80@e-1
    # Envoy withholds the ACK of CDS while the cluster warms: endpoints flow all the same.
    mesh eds a.shop:80 e-2
    < eds 5: a.shop:80@e-2
    > eds ack 4
    > eds ack 5
    # Nor does a further change of the cluster wait for that ACK longer than the gate.
    mesh cds a.shop:80 c-3
    tick 1000
    < cds 6: a.shop:80@c-3
    < eds 7: a.shop:80@e-2
  `));

test('rule 39: no assignment without its cluster; an EDS request is always answered, an absent one with an empty one', () =>
  says(`
    mesh service a.shop:80 1; cds b.shop:80 c1
    > cds
    < cds 1: (empty)
    # It exists, the node holds no cluster of it: nothing.
    mesh eds a.shop:80 e-2
    mesh preload b.shop:80
    < cds 2: b.shop:80@c1
    < eds 3: b.shop:80@empty
    > cds ack 2
    > eds ack 3
    > eds sub b.shop:80
    < eds 4: b.shop:80@empty
    > eds sub never.shop:80
    < eds 5: never.shop:80@empty
    mesh eds b.shop:80 e1
    < eds 6: b.shop:80@e1
  `));

test('rule 40: a cluster removed and added again gets its assignment again', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80
    > cds
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > eds sub a.shop:80
    > cds ack 1
    > eds ack 2
    > rds sub outbound
    < rds 3: outbound@rc
    > vhds
    < vhds 4: outbound/a.shop:80@h-1 [a.shop a.shop:80]
    > vhds ack 4
    mesh service a.shop:80 gone
    < vhds 5: removed outbound/a.shop:80
    > vhds ack 5
    < cds 6: removed a.shop:80
    > cds ack 6
    # The very same comes back, before Envoy has unsubscribed.
    mesh service a.shop:80 1
    < cds 7: a.shop:80@c-1
    < eds 8: a.shop:80@e-1
    < vhds 9: outbound/a.shop:80@h-1 [a.shop a.shop:80]
    > eds unsub a.shop:80
    > eds sub a.shop:80
    < eds 10: a.shop:80@e-1
  `));

test('rule 41: a service without endpoints is an empty assignment, not a removal', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80
    > cds
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > eds sub a.shop:80
    > eds ack 2
    mesh eds a.shop:80 gone
    < eds 3: a.shop:80@empty
    > eds ack 3
    mesh eds a.shop:80 e-1
    < eds 4: a.shop:80@e-1
  `));

test('rule 42: a changed listener goes alone; a route configuration is sent when it is asked for, and primed', () =>
  says(`
    mesh lds outbound l1
    > lds
    < lds 1: outbound@l1
    > rds sub outbound
    < rds 2: outbound@rc
    > vhds
    < vhds 3: removed outbound/-
    > lds ack 1
    > rds ack 2
    > vhds ack 3
    mesh lds outbound l2
    < lds 4: outbound@l2
    > rds sub outbound~1
    < rds 5: outbound~1@rc
    < vhds 6: removed outbound~1/-
  `));

test('rule 43: only clusters whose content changed go out', () =>
  says(`
    mesh service a.shop:80 1; service b.shop:80 1; preload a.shop:80,b.shop:80
    > cds
    < cds 1: a.shop:80@c-1, b.shop:80@c-1
    < eds 2: a.shop:80@e-1, b.shop:80@e-1
    > cds ack 1
    > eds ack 2
    mesh cds a.shop:80 c-1; cds b.shop:80 c-2
    < cds 3: b.shop:80@c-2
    < eds 4: b.shop:80@e-1
    > cds ack 3
    mesh lost
    mesh cds b.shop:80 c-3; cds b.shop:80 c-2
  `));

test('rule 44: equal content is equal bytes and an equal version, in whatever order its maps were filled', () => {
  const word = fc.string({ minLength: 1, maxLength: 8 });
  const filters = fc.dictionary(word, fc.record({ typeUrl: word, value: fc.uint8Array({ maxLength: 8 }) }), {
    minKeys: 2,
  });
  const reversed = <T>(table: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(table).reverse());
  fc.assert(
    fc.property(filters, fc.dictionary(word, word), (typedPerFilterConfig, metadata) => {
      const encode = (turn: typeof reversed): Uint8Array =>
        encodeCanonical(VirtualHost, {
          name: 'a',
          typedPerFilterConfig: turn(typedPerFilterConfig),
          metadata: { filterMetadata: { tendril: toStruct(turn(metadata)) } },
        });
      const bytes = encode((table) => table);
      assert.deepEqual(encode(reversed), bytes);
      assert.equal(contentVersion([encode(reversed)]), contentVersion([bytes]));
    }),
  );
});
