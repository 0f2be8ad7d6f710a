/** Checklist rules 19 to 25: a stream that begins with what the client holds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CDS, EDS, LDS, RDS, VHDS } from '../../../src/proto/index.ts';
import { connectSidecar } from '../../../src/sidecar-client/index.ts';
import { listenerBody, MemoryMesh, nodeOf } from '../support/memory-mesh.ts';
import { says } from '../support/says.ts';
import { eventually, putService, standUp, stream } from '../support/wire-stand.ts';

test('rule 19: equal versions are skipped, others sent, what is gone is removed, for the wildcard', () =>
  says(`
    mesh service a.shop:80 1; service b.shop:80 2; preload a.shop:80,b.shop:80; lds outbound l2; lds inbound l1
    > cds irv a.shop:80=c-1 b.shop:80=c-1 gone.shop:80=c-1
    < cds 1: b.shop:80@c-2
    < eds 2: b.shop:80@e-2
    > lds irv outbound=l1 inbound=l1 gone=l1
    < lds 3: outbound@l2; removed gone
    > rds sub outbound irv outbound=rc
    > vhds sub * irv outbound/a.shop:80=h-1 outbound/b.shop:80=h-1 outbound/gone.shop:80=h-1
    < vhds 4: outbound/b.shop:80@h-2 [b.shop b.shop:80]; removed outbound/gone.shop:80
    # The cluster goes when the virtual host that used it is known to be gone (rule 37).
    > lds ack 3
    > cds ack 1
    > vhds ack 4
    < cds 5: removed gone.shop:80
  `));

test('rule 19: the same for names: listeners and route configurations are removed, clusters and assignments emptied', () =>
  says(`
    mesh service a.shop:80 1; service b.shop:80 2; lds outbound l2
    > lds sub outbound gone irv outbound=l1 gone=l1
    < lds 1: outbound@l2; removed gone
    > lds ack 1
    > rds sub outbound gone irv outbound=rc gone=rc
    < rds 2: removed gone
    > eds sub a.shop:80 b.shop:80 gone.shop:80 irv a.shop:80=e-1 b.shop:80=e-1 gone.shop:80=e-1
    < eds 3: b.shop:80@e-2, gone.shop:80@empty
    > vhds sub outbound/a.shop outbound/gone.shop irv outbound/a.shop:80=h-0 outbound/gone.shop:80=h-1
    ! learned app.shop -> a.shop:80
    < vhds 4: outbound/a.shop:80@h-1 [a.shop a.shop:80], outbound/gone.shop (nothing, neg-t1-1)
    > cds sub a.shop:80 gone.shop:80 irv a.shop:80=c-1 gone.shop:80=c-1
    # A virtual host of an unknown version may use it, until its successor is acknowledged.
    > vhds ack 4
    < cds 5: gone.shop:80@empty
  `));

test('rule 20: versions held count in the first message of a type on a stream only', () =>
  says(`
    mesh service a.shop:80 1; service b.shop:80 1; lds outbound l1
    > cds sub b.shop:80
    ! learned app.shop -> b.shop:80
    < cds 1: b.shop:80@c-1
    < eds 2: b.shop:80@e-1
    > cds sub a.shop:80 irv a.shop:80=c-1 zzz.shop:80=c-1
    ! learned app.shop -> a.shop:80
    < cds 3: a.shop:80@c-1
    < eds 4: a.shop:80@e-1
    > lds
    < lds 5: outbound@l1
    > lds sub outbound irv outbound=l1 zzz=l1
    < lds 6: outbound@l1
    # First of its type, not first of the stream: it counts.
    > rds sub outbound irv outbound=rc
  `));

test('rule 21: a version without a subscription subscribes to nothing', () =>
  says(`
    mesh service a.shop:80 1; service z.shop:80 1; lds outbound l1; lds z l1
    > eds sub a.shop:80 irv a.shop:80=e-1 z.shop:80=e-1 gone.shop:80=e-1
    > lds sub outbound irv outbound=l1 z=l1 gone=l1
    > rds sub outbound irv outbound=rc gone=rc
    > vhds sub outbound/a.shop irv outbound/a.shop:80=h-1 outbound/z.shop:80=h-1 outbound/gone.shop:80=h-1
    ! learned app.shop -> a.shop:80
    > cds sub a.shop:80 irv a.shop:80=c-1 z.shop:80=c-1 gone.shop:80=c-1
    mesh service z.shop:80 2; lds z l2
    mesh service z.shop:80 gone; lds z gone
  `));

test('rule 22: a first message with the nonce of another stream is a first message', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80; lds outbound l1
    > cds ack 77
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > lds nack 78 refused on another stream
    < lds 3: outbound@l1
    > rds sub outbound ack 12
    < rds 4: outbound@rc
    > vhds sub * outbound/nx.shop ack 79
    < vhds 5: outbound/a.shop:80@h-1 [a.shop a.shop:80], outbound/nx.shop (nothing, neg-t1-1)
    > eds sub b.shop:80 ack 80
    < eds 6: b.shop:80@empty
  `));

test('rule 23: assignments asked for before clusters are sent again behind their changed clusters', () =>
  says(`
    mesh service a.shop:80 2; service b.shop:80 1; preload a.shop:80,b.shop:80
    > eds sub a.shop:80 b.shop:80 irv a.shop:80=e-2 b.shop:80=e-1
    > cds irv a.shop:80=c-1 b.shop:80=c-1
    < cds 1: a.shop:80@c-2
    < eds 2: a.shop:80@e-2
  `));

test('rule 24: a reconnect to another replica costs no resource bytes', async () => {
  const meshes = [new MemoryMesh(), new MemoryMesh()] as const;
  for (const mesh of meshes) {
    for (const name of ['a.shop:80', 'b.shop:80']) putService(mesh, name, '1');
    mesh.preloads.set('app.shop', ['a.shop:80']);
    mesh.listeners.set('outbound', listenerBody('outbound', 'l1'));
  }
  const first = await standUp({ mesh: meshes[0], identifier: 'replica/0' });
  const client = connectSidecar({
    addresses: [{ host: '127.0.0.1', port: first.port }],
    node: { id: 'sidecar~1~app.shop', cluster: 'app.shop' },
    backoff: { baseMs: 20, maxMs: 100 },
  });
  await client.hold('b.shop:80');
  await eventually('at rest', () => first.server.sessions()[0]?.types.every(({ unacked }) => unacked === 0) === true);
  const held = {
    cds: client.versions('cds'),
    eds: client.versions('eds'),
    vhds: client.versions('vhds'),
  };
  await client.close();
  assert.equal(held.cds.size, 2);

  const second = await standUp({ mesh: meshes[1], identifier: 'replica/1' });
  const again = stream(second.port);
  again.send({ typeUrl: CDS, node: nodeOf('app.shop'), initialResourceVersions: held.cds });
  again.send({ typeUrl: LDS, initialResourceVersions: new Map([['outbound', 'l1']]) });
  again.send({ typeUrl: RDS, subscribe: ['outbound'], initialResourceVersions: new Map([['outbound', 'rc']]) });
  again.send({ typeUrl: VHDS, subscribe: ['*', 'outbound/b.shop'], initialResourceVersions: held.vhds });
  again.send({ typeUrl: EDS, subscribe: [...held.eds.keys()], initialResourceVersions: held.eds });
  again.send({ typeUrl: RDS, subscribe: ['end'] });
  await again.response(2);
  assert.deepEqual(
    again.responses.map(({ typeUrl, resources, removed, controlPlaneId }) => [
      typeUrl,
      resources.length,
      removed,
      controlPlaneId,
    ]),
    [
      [CDS, 0, [], 'replica/1'],
      [LDS, 0, [], 'replica/1'],
      [RDS, 0, ['end'], 'replica/1'],
    ],
  );
});

test('rule 25: a first message above 4 MiB, with the versions of 25,000 clusters, is taken', async () => {
  const { server, port } = await standUp();
  const client = stream(port);
  const versions = new Map<string, string>();
  for (let index = 0; index < 25_000; index++) versions.set(`${'x'.repeat(160)}-${index}.shop:80`, 'AbCdEfGhIjKlMnOp');
  client.send({ typeUrl: CDS, node: nodeOf('app.shop'), initialResourceVersions: versions });
  const answer = await client.response(0);
  assert.deepEqual([answer.typeUrl, answer.resources.length], [CDS, 0]);
  assert.ok(server.counters().requestBytes > 4 * 1024 * 1024, `${server.counters().requestBytes} bytes`);
  client.send({ typeUrl: LDS });
  await eventually('the stream lives', () => client.responses.some(({ typeUrl }) => typeUrl === LDS));
});
