/**
 * Issue 5, sections 1.2 and 4.2, with the real Envoy: what stays open is reported while it does, and the worker knows for how long it has
 * been. The test waits for Envoy's own period of 30 s.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { requirePart } from '../support/parts.ts';
import { freePort } from '../support/ports.ts';
import { openGrpcStream, openTcp } from '../support/streams.ts';
import { WorkerStand } from '../support/worker-stand.ts';
import { eventually, serviceEvents } from './harness.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';
import { Toys } from './toys.ts';

const PERIOD_MS = 30_000;

suite('use that lasts', { skip: requirePart('envoy') }, () => {
  const toys = new Toys();
  let stand: WorkerStand;
  let sidecar: Sidecar | undefined;

  before(async () => {
    stand = await WorkerStand.start();
  });
  after(async () => {
    await sidecar?.stop();
    await stand?.stop();
    await toys.close();
  });

  test('a TCP connection and a gRPC stream are renewed while they are open; the sidecar is no silent holder', async () => {
    const [db, chat] = [await toys.tcp('db'), await toys.grpc('chat')];
    const localPort = await freePort();
    await stand.events(
      ...serviceEvents('db', [{ port: 6379, protocol: 'tcp' }], [{ id: 'db-1', ports: { 6379: db.port } }]),
      ...serviceEvents('chat', [{ port: 9000, protocol: 'grpc' }], [{ id: 'chat-1', ports: { 9000: chat.port } }]),
      {
        type: 'policy.applied',
        data: {
          document: {
            apiVersion: 'tendril.dev/v1',
            kind: 'Dependency',
            metadata: { name: 'app', namespace: 'default' },
            spec: { to: { 'db.default:6379': { localPort } } },
          },
        },
      },
    );
    const made = await startSidecar({ service: 'app.default' }, stand.worker.address);
    sidecar = made;
    await made.envoy.live();
    await eventually('the listener is there', async () =>
      (await made.holds()).listeners.includes('tcp/db.default:6379'),
    );
    const socket = await openTcp({ port: localPort });
    socket.send('ping');
    await socket.next();
    const stream = openGrpcStream({
      port: made.outboundPort,
      authority: 'chat.default:9000',
      timeoutMs: 4 * PERIOD_MS,
    });
    stream.send('one');
    assert.equal(await stream.next(), 'chat:one');

    const of = (to: string) => stand.uses.filter((use) => use.from === 'app.default' && use.to === to);
    // The start of a connection is logged, that of a request is not.
    await eventually('the connection is reported', () => of('db.default:6379').length === 1);
    assert.equal(of('chat.default:9000').length, 0);
    for (const to of ['db.default:6379', 'chat.default:9000'])
      await eventually(
        `${to} is renewed`,
        () => of(to).some(({ lastMs }) => lastMs - (of('db.default:6379')[0]?.lastMs ?? 0) > PERIOD_MS / 2),
        2 * PERIOD_MS,
      );
    assert.deepEqual(
      stand.uses.map(({ requests }) => requests),
      stand.uses.map(() => 0),
      'nothing has ended',
    );
    const row = await stand.holders('app.default');
    assert.deepEqual([row?.nodes, row?.silent], [1, 0]);

    await stream.close();
    await socket.close();
    const ended = (to: string): readonly number[] => [
      of(to).reduce((sum, { requests }) => sum + requests, 0),
      of(to).reduce((sum, { errors }) => sum + errors, 0),
    ];
    for (const to of ['db.default:6379', 'chat.default:9000'])
      await eventually(`${to} has ended once, without an error`, () => ended(to).join() === '1,0');
    await made.assertHealthy();
  });
});
