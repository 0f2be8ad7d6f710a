import { test } from 'node:test';
import { says } from '../support/says.ts';

test('rule 28: a refused state is parked: no resend however often it is refused, the last good one stays in full responses', () =>
  says(`
    sotw
    mesh cds a.shop:80 c1 static; cds b.shop:80 c1 static
    > cds names a.shop:80 b.shop:80
    ! learned app.shop -> a.shop:80
    ! learned app.shop -> b.shop:80
    < cds 1: a.shop:80@c1, b.shop:80@c1
    > cds names a.shop:80 b.shop:80 ack 1
    mesh cds a.shop:80 bad static
    < cds 2: a.shop:80@bad, b.shop:80@c1
    > cds names a.shop:80 b.shop:80 nack 2 no
    ! refused a.shop:80@bad: no
    > cds names a.shop:80 b.shop:80 nack 2 no
    > cds names a.shop:80 b.shop:80 nack 2 no
    mesh lost
    tick 60000
    mesh cds b.shop:80 c2 static
    < cds 3: a.shop:80@c1, b.shop:80@c2
    > cds names a.shop:80 b.shop:80 ack 3
    mesh cds a.shop:80 c3 static
    < cds 4: a.shop:80@c3, b.shop:80@c2
  `));

test('rule 29: on a state-of-the-world stream too names in a NACK count', () =>
  says(`
    sotw
    mesh eds a.shop:80 bad; eds b.shop:80 e1; eds c.shop:80 e1
    > eds names a.shop:80
    < eds 1: a.shop:80@bad
    > eds names a.shop:80 b.shop:80 nack 1 no
    ! refused a.shop:80@bad: no
    < eds 2: b.shop:80@e1
    # grpc-js repeats its error with the newest nonce until the next good response.
    > eds names a.shop:80 b.shop:80 ack 2
    > eds names b.shop:80 c.shop:80 nack 2 no
    < eds 3: c.shop:80@e1
  `));

test('rule 37: on a state-of-the-world stream a cluster that is gone stays until the routes that used it have changed', () =>
  says(`
    sotw
    mesh cds a.shop:80 c1; eds a.shop:80 e1; cds a.shop:80/v2 c1; eds a.shop:80/v2 e1; raw rds r r1
    > rds names r
    < rds 1: r@r1
    > cds names a.shop:80 a.shop:80/v2
    ! learned app.shop -> a.shop:80
    < cds 2: a.shop:80@c1, a.shop:80/v2@c1
    > eds names a.shop:80 a.shop:80/v2
    < eds 3: a.shop:80@e1, a.shop:80/v2@e1
    > rds names r ack 1
    > cds names a.shop:80 a.shop:80/v2 ack 2
    > eds names a.shop:80 a.shop:80/v2 ack 3
    mesh raw rds r r2; cds a.shop:80/v2 gone; eds a.shop:80/v2 gone; eds a.shop:80 e2
    < eds 4: a.shop:80@e2
    < rds 5: r@r2
    > eds names a.shop:80 a.shop:80/v2 ack 4
    > rds names r ack 5
    < cds 6: a.shop:80@c1
    < eds 7: a.shop:80/v2@empty
    # A gRPC application gives it up by itself when its routes no longer name it.
    > cds names a.shop:80 ack 6
    > eds names a.shop:80 ack 7
    # Routes that nobody acknowledges hold nothing up for longer than a second; those that do not change for no time.
    mesh raw rds r r3; cds a.shop:80 gone
    < rds 8: r@r3
    tick 1000
    < cds 9: (empty)
    > rds names r ack 8
    mesh eds a.shop:80 gone
    < eds 10: a.shop:80@empty
  `));

test('rule 37: routes that might have changed and did not hold nothing up', () =>
  says(`
    sotw
    mesh inbound inbound:80 i1; lds l l1
    > cds
    < cds 1: inbound:80@i1
    > lds
    < lds 2: l@l1
    > cds ack 1
    > lds ack 2
    mesh inbound inbound:80 gone
    < cds 3: (empty)
  `));

test('rule 38: on a state-of-the-world stream too a changed cluster is followed by its assignment', () =>
  says(`
    sotw
    mesh cds a.shop:80 c1; cds b.shop:80 c1; eds a.shop:80 e1; eds b.shop:80 e1
    > cds names a.shop:80 b.shop:80
    ! learned app.shop -> a.shop:80
    ! learned app.shop -> b.shop:80
    < cds 1: a.shop:80@c1, b.shop:80@c1
    > eds names a.shop:80 b.shop:80
    < eds 2: a.shop:80@e1, b.shop:80@e1
    > cds names a.shop:80 b.shop:80 ack 1
    > eds names a.shop:80 b.shop:80 ack 2
    mesh cds a.shop:80 c2
    < cds 3: a.shop:80@c2, b.shop:80@c1
    < eds 4: a.shop:80@e1
  `));

test('rule 36: on a state-of-the-world stream one commit is one response per type, in the order CDS, EDS, LDS, RDS', () =>
  says(`
    sotw
    mesh cds a.shop:80 c1 static; eds b.shop:80 e1; lds l l1; raw rds r r1
    > rds names r
    < rds 1: r@r1
    > lds names l
    < lds 2: l@l1
    > eds names b.shop:80
    < eds 3: b.shop:80@e1
    > cds names a.shop:80
    ! learned app.shop -> a.shop:80
    < cds 4: a.shop:80@c1
    > rds names r ack 1
    > lds names l ack 2
    > eds names b.shop:80 ack 3
    > cds names a.shop:80 ack 4
    mesh raw rds r r2; lds l l2; eds b.shop:80 e2; cds a.shop:80 c2 static
    < cds 5: a.shop:80@c2
    < eds 6: b.shop:80@e2
    < lds 7: l@l2
    < rds 8: r@r2
  `));

test('a late NACK takes back what was in its response alone, not what went out behind it', () =>
  says(`
    sotw
    mesh cds a.shop:80 1
    > cds names a.shop:80
    ! learned app.shop -> a.shop:80
    < cds 1: a.shop:80@1
    > cds names a.shop:80 ack 1
    mesh cds a.shop:80 bad
    < cds 2: a.shop:80@bad
    mesh cds a.shop:80 3
    tick 1000
    < cds 3: a.shop:80@3
    > cds names a.shop:80 nack 2 bad cluster
    ! refused a.shop:80@bad: bad cluster
    > cds names a.shop:80 ack 3
    # The client has 3; it would keep it if it counted as back at 1.
    mesh cds a.shop:80 1
    < cds 4: a.shop:80@1
    > cds names a.shop:80 ack 4
    # The same for a type of which only what is new goes out.
    mesh eds a.shop:80 1
    > eds names a.shop:80
    < eds 5: a.shop:80@1
    > eds names a.shop:80 ack 5
    mesh eds a.shop:80 bad
    < eds 6: a.shop:80@bad
    mesh eds a.shop:80 3
    tick 1000
    < eds 7: a.shop:80@3
    > eds names a.shop:80 nack 6 bad assignment
    ! refused a.shop:80@bad: bad assignment
    > eds names a.shop:80 ack 7
    mesh eds a.shop:80 1
    < eds 8: a.shop:80@1
  `));
