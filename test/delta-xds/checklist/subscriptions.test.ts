import { test } from 'node:test';
import { says } from '../support/says.ts';

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
