/** Checklist rules 26 to 35 (32 is in `sotw.test.ts`): ACK, NACK, nonces. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CDS, EDS, LDS, RDS, VHDS } from '../../../src/proto/index.ts';
import { assignmentBody, clusterBody, nodeOf } from '../support/memory-mesh.ts';
import { says } from '../support/says.ts';
import { eventually, putService, standUp, stream } from '../support/wire-stand.ts';

test('rule 26: an ACK gets no response, over gRPC', async () => {
  const { mesh, server, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  mesh.preloads.set('app.shop', ['a.shop:80']);
  const client = stream(port);
  client.hello('app.shop');
  await client.response(1);
  client.send({ typeUrl: CDS, responseNonce: '1' });
  client.send({ typeUrl: EDS, responseNonce: '2' });
  client.send({ typeUrl: CDS, responseNonce: '1' });
  client.send({ typeUrl: RDS, subscribe: ['nx'] });
  const next = await client.response(2);
  assert.deepEqual([next.typeUrl, next.nonce, next.removed], [RDS, '3', ['nx']]);
  assert.equal(server.counters().responses, 3);
  assert.equal(server.counters().nacks, 0);
});

test('rule 27: an error_detail makes a NACK, even an empty one; its absence an ACK, whatever the versions say', async () => {
  const { mesh, server, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  mesh.preloads.set('app.shop', ['a.shop:80']);
  const client = stream(port);
  client.hello('app.shop');
  await client.response(1);
  // Versions that look like a refusal ("I still hold another one") decide nothing.
  client.send({ typeUrl: CDS, responseNonce: '1', initialResourceVersions: new Map([['a.shop:80', 'other']]) });
  await eventually(
    'acknowledged',
    () => server.sessions()[0]?.types.some(({ type, unacked }) => type === 'cds' && unacked === 0) === true,
  );
  assert.equal(server.counters().nacks, 0);
  mesh.set('cds', 'a.shop:80', clusterBody('a.shop:80', 'c-2', true));
  await server.wake();
  const { nonce } = await client.response(2);
  client.send({ typeUrl: CDS, responseNonce: nonce, errorDetail: { code: 0, message: '' } });
  await eventually('refused', () => server.counters().nacks === 1);
  const [held] = server.resourcesOf('sidecar~1~app.shop') ?? [];
  const cluster = held?.resources.find(({ type }) => type === 'cds');
  assert.deepEqual([cluster?.version, cluster?.acked, cluster?.refused], ['c-1', 'c-1', 'c-2']);
});

test('rule 28: a thousand NACKs bring no resend of the same content; a change does', async () => {
  const { mesh, server, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  const client = stream(port);
  client.send({ typeUrl: EDS, node: nodeOf('app.shop'), subscribe: ['a.shop:80'] });
  const bad = await client.response(0);
  const nack = { typeUrl: EDS, responseNonce: bad.nonce, errorDetail: { code: 13, message: 'malformed IP address' } };
  for (let count = 0; count < 1_000; count++) client.send(nack);
  await eventually('all are read', () => server.counters().requests === 1_001);
  assert.equal(server.counters().responses, 1);
  assert.equal(server.counters().nacks, 1, 'one response is refused once');
  mesh.changed('eds||a.shop:80');
  await server.wake();
  mesh.lost();
  await server.wake();
  assert.equal(server.counters().responses, 1, 'the same content, changed or not, is not sent');
  mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e-2', [8_080]));
  await server.wake();
  assert.deepEqual(
    (await client.response(1)).resources.map(({ version }) => version),
    ['e-2'],
  );
});

test('rule 28: a client that refuses whatever it gets comes to rest: halves, then silence', async () => {
  const { mesh, server, port } = await standUp();
  const names = Array.from({ length: 16 }, (_, index) => `s${index}.shop:80`);
  for (const name of names) putService(mesh, name, '1');
  const client = stream(port);
  client.send({ typeUrl: EDS, node: nodeOf('app.shop'), subscribe: names });
  let seen = 0;
  const refuse = (): void => {
    for (; seen < client.responses.length; seen++) {
      const nonce = client.responses[seen]?.nonce ?? '';
      client.send({ typeUrl: EDS, responseNonce: nonce, errorDetail: { code: 13, message: 'no' } });
    }
  };
  await client.response(0);
  await eventually('all are parked', () => {
    refuse();
    return server.counters().parked === 16;
  });
  client.send({ typeUrl: RDS, subscribe: ['end'] });
  await eventually('the end', () => client.responses.at(-1)?.typeUrl === RDS);
  // 16 in halves: 1 + 2 + 4 + 8 + 16 responses, and the last one for the end.
  assert.equal(client.responses.length, 32);
  mesh.lost();
  await server.wake();
  assert.equal(server.counters().responses, 32);
});

test('rule 29: names in an ACK and in a NACK count, also when error_detail comes again with every request', () =>
  says(`
    mesh service a.shop:80 1; service b.shop:80 1; service c.shop:80 1; preload a.shop:80
    > cds
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    # Envoy puts on-demand names into the ACK that it withheld while a cluster warmed.
    > cds sub b.shop:80 ack 1
    ! learned app.shop -> b.shop:80
    < cds 3: b.shop:80@c-1
    < eds 4: b.shop:80@e-1
    > eds sub a.shop:80 b.shop:80 nack 2 no
    ! refused a.shop:80@e-1: no
    # grpc-js repeats its error until the next good response, with whatever else it has to say.
    > cds sub c.shop:80 nack 3 no
    ! refused b.shop:80@c-1: no
    ! learned app.shop -> c.shop:80
    < cds 5: b.shop:80@empty, c.shop:80@c-1
    < eds 6: c.shop:80@e-1
    > cds sub d.shop:80 nack 3 no
    < cds 7: d.shop:80@empty
    > cds unsub d.shop:80 nack 3 no
    < cds 8: removed d.shop:80
    > cds ack 5
    > cds sub e.shop:80 unsub c.shop:80 nack 99 no
    < cds 9: e.shop:80@empty; removed c.shop:80
  `));

test('rule 30: all resources of a refused response are sent again in parts until the bad one stands alone', () =>
  says(`
    mesh eds a.shop:80 e1; eds b.shop:80 e1; eds c.shop:80 e1
    > eds sub a.shop:80 b.shop:80 c.shop:80
    < eds 1: a.shop:80@e1, b.shop:80@e1, c.shop:80@e1
    > eds ack 1
    mesh eds a.shop:80 e2; eds b.shop:80 bad; eds c.shop:80 e2
    < eds 2: a.shop:80@e2, b.shop:80@bad, c.shop:80@e2
    > eds nack 2 malformed IP address
    ! refused a.shop:80@e2, b.shop:80@bad, c.shop:80@e2 (not known which): malformed IP address
    < eds 3: a.shop:80@e2
    < eds 4: b.shop:80@bad, c.shop:80@e2
    > eds ack 3
    > eds nack 4 malformed IP address
    ! refused b.shop:80@bad, c.shop:80@e2 (not known which): malformed IP address
    < eds 5: b.shop:80@bad
    < eds 6: c.shop:80@e2
    > eds nack 5 malformed IP address
    ! refused b.shop:80@bad: malformed IP address
    > eds ack 6
    mesh lost
    mesh eds b.shop:80 e3
    < eds 7: b.shop:80@e3
  `));

test('rule 30: all of a refused response goes out again in its newest version, also what is back at what the client has', () =>
  says(`
    mesh eds a.shop:80 e1; eds b.shop:80 e1
    > eds sub a.shop:80 b.shop:80
    < eds 1: a.shop:80@e1, b.shop:80@e1
    > eds ack 1
    mesh eds a.shop:80 bad; eds b.shop:80 e2
    < eds 2: a.shop:80@bad, b.shop:80@e2
    # Before the verdict both change again: one to what the client has, if it refuses.
    mesh eds a.shop:80 e1
    > eds nack 2 no
    ! refused a.shop:80@bad, b.shop:80@e2 (not known which): no
    < eds 3: a.shop:80@e1
    < eds 4: b.shop:80@e2
  `));

test('rule 30: a cluster pushed ahead of a refused virtual host goes when a later version does without it', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80; cds b.shop:80 c1 static
    > cds
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > vhds
    < vhds 3: (empty)
    > cds ack 1
    > eds ack 2
    > vhds ack 3
    > vhds sub outbound/a.shop
    ! learned app.shop -> a.shop:80
    < vhds 4: outbound/a.shop:80@h-1 [a.shop a.shop:80]
    > vhds ack 4
    mesh vhds a.shop:80 bad domains a.shop clusters a.shop:80,b.shop:80
    < cds 5: b.shop:80@c1
    < vhds 6: outbound/a.shop:80@bad [a.shop]
    > cds ack 5
    > vhds nack 6 no
    ! refused outbound/a.shop:80@bad: no
    mesh vhds a.shop:80 h2 domains a.shop clusters a.shop:80
    < vhds 7: outbound/a.shop:80@h2 [a.shop]
    < cds 8: removed b.shop:80
  `));

test('rule 30: it goes with the refusal when the virtual host is back at what the client has', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80; cds b.shop:80 c1 static
    > cds
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > vhds
    < vhds 3: (empty)
    > cds ack 1
    > eds ack 2
    > vhds ack 3
    > vhds sub outbound/a.shop
    ! learned app.shop -> a.shop:80
    < vhds 4: outbound/a.shop:80@h-1 [a.shop a.shop:80]
    > vhds ack 4
    mesh vhds a.shop:80 bad domains a.shop clusters a.shop:80,b.shop:80
    < cds 5: b.shop:80@c1
    < vhds 6: outbound/a.shop:80@bad [a.shop]
    > cds ack 5
    mesh vhds a.shop:80 h-1 domains a.shop,a.shop:80 clusters a.shop:80
    > vhds nack 6 no
    ! refused outbound/a.shop:80@bad: no
    < cds 7: removed b.shop:80
  `));

test('rule 30: it goes with the edge when the client never took the virtual host', () =>
  says(`
    mesh service a.shop:80 1; cds b.shop:80 c1 static; vhds a.shop:80 bad domains a.shop clusters a.shop:80,b.shop:80; preload a.shop:80
    > cds
    < cds 1: a.shop:80@c-1, b.shop:80@c1
    < eds 2: a.shop:80@e-1
    > rds sub outbound
    < rds 3: outbound@rc
    > vhds
    < vhds 4: outbound/a.shop:80@bad [a.shop]
    > cds ack 1
    > eds ack 2
    > vhds nack 4 no
    ! refused outbound/a.shop:80@bad: no
    < vhds 5: removed outbound/-
    mesh preload
    < cds 6: removed a.shop:80 b.shop:80
  `));

test('rule 31: a stale or unknown nonce does not stand in the way of names', () =>
  says(`
    mesh service a.shop:80 1; service b.shop:80 1
    > eds sub a.shop:80
    < eds 1: a.shop:80@e-1
    > eds ack 1
    mesh eds a.shop:80 e-2
    < eds 2: a.shop:80@e-2
    # Stale: sent before response 2 arrived.
    > eds sub b.shop:80 ack 1
    < eds 3: b.shop:80@e-1
    # Unknown.
    > eds sub nx.shop:80 ack 4711
    < eds 4: nx.shop:80@empty
    > eds unsub a.shop:80 nack 4711 no
    > eds ack 2
    mesh eds a.shop:80 e-3
    mesh eds b.shop:80 e-2
    < eds 5: b.shop:80@e-2
  `));

test('rule 33: nonces are not empty and unlike on a stream, over all types', async () => {
  const { mesh, server, port } = await standUp();
  for (const name of ['a.shop:80', 'b.shop:80']) putService(mesh, name, '1');
  mesh.preloads.set('app.shop', ['a.shop:80']);
  const client = stream(port);
  client.hello('app.shop');
  client.send({ typeUrl: LDS });
  client.send({ typeUrl: RDS, subscribe: ['outbound'] });
  client.send({ typeUrl: VHDS });
  client.send({ typeUrl: VHDS, subscribe: ['outbound/b.shop', 'outbound/nx'] });
  client.send({ typeUrl: 'type.googleapis.com/acme.Thing', subscribe: ['x'] });
  await client.response(8);
  putService(mesh, 'a.shop:80', '2');
  await server.wake();
  await client.response(11);
  const nonces = client.responses.map(({ nonce }) => nonce);
  assert.ok(nonces.every((nonce) => nonce !== ''));
  assert.equal(new Set(nonces).size, nonces.length);
  assert.ok(new Set(client.responses.map(({ typeUrl }) => typeUrl)).size >= 6);
});

test('rule 34: the error text is in the status while what was refused is current, and in the ledger; others are sent the same bytes', async () => {
  const { mesh, server, port, ledger } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  const bad = stream(port);
  bad.send({ typeUrl: EDS, node: nodeOf('bad.shop'), subscribe: ['a.shop:80'] });
  const refused = await bad.response(0);
  bad.send({ typeUrl: EDS, responseNonce: refused.nonce, errorDetail: { code: 13, message: 'malformed IP address' } });
  const errorOf = (caller: string): unknown =>
    server
      .sessions()
      .find((session) => session.caller === caller)
      ?.types.find(({ type }) => type === 'eds')?.lastError;
  await eventually('the error shows', () => errorOf('bad.shop') !== undefined);
  assert.deepEqual(errorOf('bad.shop'), { code: 13, message: 'malformed IP address' });
  assert.deepEqual(
    ledger()
      .filter(({ event }) => event === 'rejected')
      .map(({ node, type, name, version, message, final }) => [node, type, name, version, message, final]),
    [['sidecar~1~bad.shop', 'eds', 'a.shop:80', 'e-1', 'malformed IP address', true]],
  );
  // Another node gets the same bytes out of the cache.
  const { cacheMisses } = server.counters();
  const good = stream(port);
  good.send({ typeUrl: EDS, node: nodeOf('good.shop'), subscribe: ['a.shop:80'] });
  assert.deepEqual((await good.response(0)).resources, refused.resources);
  assert.equal(server.counters().cacheMisses, cacheMisses);
  assert.equal(errorOf('good.shop'), undefined);
  // The ACK of something else mends nothing; a change does.
  bad.send({ typeUrl: EDS, subscribe: ['b.shop:80'] });
  const other = await bad.response(1);
  bad.send({ typeUrl: EDS, responseNonce: other.nonce });
  const unacked = (): number | undefined =>
    server
      .sessions()
      .find(({ caller }) => caller === 'bad.shop')
      ?.types.find(({ type }) => type === 'eds')?.unacked;
  await eventually('it is acknowledged', () => unacked() === 0);
  assert.notEqual(errorOf('bad.shop'), undefined);
  mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e-2', [8_080]));
  await server.wake();
  const next = await bad.response(2);
  bad.send({ typeUrl: EDS, responseNonce: next.nonce });
  await eventually('it is over', () => unacked() === 0);
  assert.equal(errorOf('bad.shop'), undefined);
});

test('rule 35: a missing ACK holds a broadcast back for a second at most, and what changes meanwhile is one response', () =>
  says(`
    mesh eds a.shop:80 e1
    > eds sub a.shop:80
    < eds 1: a.shop:80@e1
    mesh eds a.shop:80 e2
    < eds 2: a.shop:80@e2
    mesh eds a.shop:80 e3
    mesh eds a.shop:80 e4
    mesh eds a.shop:80 e5
    tick 999
    tick 1
    < eds 3: a.shop:80@e5
    # A late ACK is one; a question never waits.
    mesh eds a.shop:80 e6
    > eds sub b.shop:80
    < eds 4: b.shop:80@empty
    > eds ack 2
    > eds ack 3
    < eds 5: a.shop:80@e6
  `));

test('rule 35: responses without an answer are remembered up to a bound', async () => {
  const { mesh, server, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  const client = stream(port);
  client.send({ typeUrl: EDS, node: nodeOf('app.shop'), subscribe: ['a.shop:80'] });
  for (let count = 0; count < 200; count++) client.send({ typeUrl: EDS, subscribe: [`n${count}.shop:80`] });
  await client.response(200);
  assert.equal(server.sessions()[0]?.types.find(({ type }) => type === 'eds')?.unacked, 128);
  // The oldest is forgotten: its ACK changes nothing, and the stream lives.
  client.send({ typeUrl: EDS, responseNonce: '1' });
  client.send({ typeUrl: EDS, responseNonce: '201' });
  await eventually('the newest is settled', () => server.sessions()[0]?.types[0]?.unacked === 127);
});
