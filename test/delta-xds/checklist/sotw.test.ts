/** Checklist rules 32 and 45 to 53: a state-of-the-world stream, on which each request lists all names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CDS, EDS } from '../../../src/proto/index.ts';
import { clusterBody, nodeOf } from '../support/memory-mesh.ts';
import { says } from '../support/says.ts';
import { putService, standUp, stateStream } from '../support/wire-stand.ts';

test('rule 32: a request with a stale or unknown nonce changes nothing', () =>
  says(`
    sotw
    mesh eds a.shop:80 e1; eds b.shop:80 e1; eds c.shop:80 e1
    > eds names a.shop:80
    < eds 1: a.shop:80@e1
    > eds names a.shop:80 ack 1
    mesh eds a.shop:80 e2
    < eds 2: a.shop:80@e2
    # It crossed response 2; the client says it again in its answer to that one.
    > eds names a.shop:80 b.shop:80 ack 1
    mesh eds b.shop:80 e2
    > eds names a.shop:80 b.shop:80 ack 2
    < eds 3: b.shop:80@e2
    > eds names a.shop:80 b.shop:80 ack 3
    # Of no response; of another type.
    > eds names c.shop:80 ack 4711
    > rds names outbound
    < rds 4: outbound@rc
    > eds names c.shop:80 ack 4
    mesh eds c.shop:80 e2
    mesh eds a.shop:80 e3
    < eds 5: a.shop:80@e3
  `));

test('rule 45: a CDS or LDS response holds everything subscribed, whenever one of it changes', () =>
  says(`
    sotw
    mesh cds a.shop:80 c1 static; cds b.shop:80 c1 static; inbound inbound:80 i1; lds l1 l1; lds l2 l1
    > cds names a.shop:80 b.shop:80
    ! learned app.shop -> a.shop:80
    ! learned app.shop -> b.shop:80
    < cds 1: a.shop:80@c1, b.shop:80@c1
    > cds names a.shop:80 b.shop:80 ack 1
    mesh cds b.shop:80 c2 static
    < cds 2: a.shop:80@c1, b.shop:80@c2
    > cds names a.shop:80 b.shop:80 ack 2
    mesh cds a.shop:80 gone
    < cds 3: b.shop:80@c2
    # The same for the wildcard.
    reconnect
    mesh preload b.shop:80
    > cds
    < cds 1: inbound:80@i1, b.shop:80@c2
    > cds ack 1
    mesh inbound inbound:80 i2
    < cds 2: inbound:80@i2, b.shop:80@c2
    > lds
    < lds 3: l1@l1, l2@l1
    > lds ack 3
    mesh lds l2 l2
    < lds 4: l1@l1, l2@l2
  `));

test('rule 46: of other types only what is new to the client is sent, and absence says nothing', () =>
  says(`
    sotw
    mesh eds a.shop:80 e1; eds b.shop:80 e1
    > eds names a.shop:80 b.shop:80
    < eds 1: a.shop:80@e1, b.shop:80@e1
    > eds names a.shop:80 b.shop:80 ack 1
    mesh eds b.shop:80 e2
    < eds 2: b.shop:80@e2
    > eds names a.shop:80 b.shop:80 ack 2
    > rds names outbound nx
    < rds 3: outbound@rc
    > rds names outbound nx ack 3
    > sds names cert
    mesh raw sds cert 1; raw sds other 1
    < sds 4: cert@1
    > sds names cert ack 4
    # A route configuration or secret that goes is not told; an assignment becomes an empty one.
    mesh raw sds cert gone
    mesh eds a.shop:80 gone
    < eds 5: a.shop:80@empty
  `));

test('rule 47: a newly listed name is answered though the version has not changed', () =>
  says(`
    sotw
    mesh eds a.shop:80 e1; eds b.shop:80 e1; cds a.shop:80 c1 static; cds b.shop:80 c1 static
    > eds names a.shop:80
    ! learned app.shop -> a.shop:80
    < eds 1: a.shop:80@e1
    > eds names a.shop:80 b.shop:80 ack 1
    ! learned app.shop -> b.shop:80
    < eds 2: b.shop:80@e1
    > cds names a.shop:80
    < cds 3: a.shop:80@c1
    > cds names a.shop:80 ack 3
    > cds names a.shop:80 b.shop:80 ack 3
    < cds 4: a.shop:80@c1, b.shop:80@c1
    # A name of nothing: a full type says so by a response without it.
    > cds names a.shop:80 b.shop:80 nx ack 4
    < cds 5: a.shop:80@c1, b.shop:80@c1
  `));

test('rule 48: a name given up and listed again is sent again, though unchanged', () =>
  says(`
    sotw
    mesh eds a.shop:80 e1; eds b.shop:80 e1; lds l l1; lds m l1
    > eds names a.shop:80 b.shop:80
    < eds 1: a.shop:80@e1, b.shop:80@e1
    > eds names a.shop:80 ack 1
    > eds names a.shop:80 b.shop:80 ack 1
    < eds 2: b.shop:80@e1
    > rds names outbound
    < rds 3: outbound@rc
    > rds ack 3
    > rds names outbound ack 3
    < rds 4: outbound@rc
    > lds names l m
    < lds 5: l@l1, m@l1
    > lds names l ack 5
    > lds names l m ack 5
    < lds 6: l@l1, m@l1
  `));

test('rule 48: also when the request that gave it up crossed a response and changed nothing', () =>
  says(`
    sotw
    mesh eds a.shop:80 e1; eds b.shop:80 e1
    > eds names a.shop:80 b.shop:80
    < eds 1: a.shop:80@e1, b.shop:80@e1
    > eds names a.shop:80 b.shop:80 ack 1
    mesh eds a.shop:80 e2
    < eds 2: a.shop:80@e2
    > eds ack 1
    > eds names b.shop:80 ack 1
    > eds names b.shop:80 ack 2
    < eds 3: b.shop:80@e1
    > eds names b.shop:80 ack 3
  `));

test('rule 49: an empty list after names ends the subscription and is no wildcard; a first empty list of RDS or EDS is silence', () =>
  says(`
    sotw
    mesh cds a.shop:80 c1 static; cds b.shop:80 c1 static; eds a.shop:80 e1; inbound inbound:80 i1; lds l l1; preload b.shop:80
    > eds
    > rds
    > eds names ""
    > eds names a.shop:80
    ! learned app.shop -> a.shop:80
    < eds 1: a.shop:80@e1
    > eds ack 1
    mesh eds a.shop:80 e2
    > cds names a.shop:80
    < cds 2: a.shop:80@c1
    > cds ack 2
    mesh cds a.shop:80 c2 static; inbound inbound:80 i2
    > cds names a.shop:80 ack 2
    < cds 3: a.shop:80@c2
    # An empty name names nothing.
    > cds names "" ack 3
    > lds names l
    < lds 4: l@l1
    > lds ack 4
    mesh lds l l2
  `));

test('rule 50: when the last cluster or listener goes, an empty response says so', () =>
  says(`
    sotw
    mesh inbound inbound:80 i1; lds l l1; cds a.shop:80 c1 static
    > cds
    < cds 1: inbound:80@i1
    > lds
    < lds 2: l@l1
    > cds ack 1
    > lds ack 2
    mesh inbound inbound:80 gone; lds l gone
    < lds 3: (empty)
    # The cluster after the listener (rule 37).
    > lds ack 3
    < cds 4: (empty)
    > cds ack 4
    mesh lds l l1
    < lds 5: l@l1
    reconnect
    > cds names a.shop:80
    ! learned app.shop -> a.shop:80
    < cds 1: a.shop:80@c1
    > cds names a.shop:80 ack 1
    mesh cds a.shop:80 gone
    < cds 2: (empty)
  `));

test('rule 51: on reconnect version_info alone skips an answer to a pure wildcard only, over gRPC', async () => {
  const { mesh, server, port } = await standUp();
  mesh.inbound.set('inbound:80', clusterBody('inbound:80', 'i1', false));
  putService(mesh, 'a.shop:80', '1');
  mesh.preloads.set('app.shop', ['a.shop:80']);
  const first = stateStream(port);
  first.send({ typeUrl: CDS, node: nodeOf('app.shop') });
  const state = await first.response(0);
  assert.equal(state.resources.length, 2);
  first.send({ typeUrl: EDS, names: ['a.shop:80'] });
  const assignments = await first.response(1);
  first.close();

  // All held: nothing. The same version with a name besides, or of a type that lists names: answered.
  const again = stateStream(port);
  again.send({ typeUrl: CDS, node: nodeOf('app.shop'), versionInfo: state.versionInfo });
  again.send({ typeUrl: EDS, names: ['a.shop:80'], versionInfo: assignments.versionInfo });
  const next = await again.response(0);
  assert.deepEqual([next.typeUrl, next.nonce, next.versionInfo], [EDS, '1', assignments.versionInfo]);
  again.send({
    typeUrl: EDS,
    names: ['a.shop:80', 'b.shop:80'],
    versionInfo: next.versionInfo,
    responseNonce: next.nonce,
  });
  assert.equal((await again.response(1)).resources.length, 1);
  const wider = stateStream(port);
  wider.send({ typeUrl: CDS, node: nodeOf('app.shop'), names: ['*', 'a.shop:80'], versionInfo: state.versionInfo });
  assert.equal((await wider.response(0)).resources.length, 2);
  // A change is sent to who was told nothing, too; another version is answered.
  mesh.inbound.set('inbound:80', clusterBody('inbound:80', 'i2', false));
  mesh.changed('own|app.shop|1');
  await server.wake();
  const changed = await again.response(2);
  assert.deepEqual([changed.typeUrl, changed.resources.length], [CDS, 2]);
  assert.notEqual(changed.versionInfo, state.versionInfo);
  const stale = stateStream(port);
  stale.send({ typeUrl: CDS, node: nodeOf('app.shop'), versionInfo: state.versionInfo });
  assert.equal((await stale.response(0)).versionInfo, changed.versionInfo);
});

test('rule 52: a listener watched by name is not sent for the sake of another one', () =>
  says(`
    sotw
    mesh lds a l1; lds b l1; inbound inbound:80 i1
    > lds names a
    < lds 1: a@l1
    > lds names a ack 1
    mesh lds b l2; lds c l1
    mesh lds b gone; inbound inbound:80 i2
    mesh lost
    mesh lds a l2
    < lds 2: a@l2
  `));

test('rule 53: a response is made of the newest subscription, not of the one that was asked before', () =>
  says(`
    sotw
    mesh eds a.shop:80 e1; eds b.shop:80 e1; cds a.shop:80 c1 static; cds b.shop:80 c1 static
    > eds names a.shop:80
    ! learned app.shop -> a.shop:80
    < eds 1: a.shop:80@e1
    > cds names a.shop:80
    < cds 2: a.shop:80@c1
    > cds names a.shop:80 ack 2
    hold
    mesh eds a.shop:80 e2; cds a.shop:80 c2 static
    > eds names a.shop:80 b.shop:80 ack 1
    ! learned app.shop -> b.shop:80
    > eds names b.shop:80 ack 1
    > cds names b.shop:80 ack 2
    drained
    < cds 3: b.shop:80@c1
    < eds 4: b.shop:80@e1
  `));
