/** The resolver and balancer of grpc-js; invariants of src/sidecar-client/grpc/balancer.ts by number. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { createCaller } from '../../../src/sidecar-client/caller.ts';
import { freePort } from '../../support/ports.ts';
import { ECHO_PATHS, type GrpcBackend, startGrpcBackend } from '../../support/stream-backends.ts';
import { Held } from '../calls/held.ts';
import { codeOf, grpcServers, type Servers, type World, world } from '../fields/world.ts';

let servers: Servers<GrpcBackend>;
before(async () => {
  servers = await grpcServers();
});
after(() => servers.close());

const bytes = (value: Buffer): Buffer => value;
const active = (w: World): number | undefined => w.caller.core.cluster('echo.shop:80')?.stats().active;
const settled = async (check: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 6_000 && !check(); turn++) await new Promise((next) => setTimeout(next, 10));
  assert.ok(check());
};

test('a host that nobody answers, and a client that is not there: UNAVAILABLE; a name given twice: CALL_NAME_TAKEN', async (t) => {
  const w = world(t, { endpoints: [{ at: servers.a.port }] });
  assert.equal(await w.grpc({ path: `echo.shop:82${ECHO_PATHS.unary}` }), 'UNAVAILABLE');
  const stranger = new grpc.Client('tendril://nobody/echo.shop', grpc.credentials.createInsecure());
  t.after(() => stranger.close());
  const code = await new Promise((done) =>
    stranger.makeUnaryRequest(ECHO_PATHS.unary, bytes, bytes, Buffer.from('x'), (error) => done(error?.code)),
  );
  assert.equal(code, grpc.status.UNAVAILABLE);
  const one = createCaller({ source: new Held() });
  const other = createCaller({ source: new Held() });
  one.registerGrpc('taken');
  assert.equal(await codeOf((async () => other.registerGrpc('taken'))()), 'CALL_NAME_TAKEN');
  await one.close();
  other.registerGrpc('taken');
  await other.close();
});

test('invariant 2: an endpoint without connection is passed over, and ejected as one that fails', async (t) => {
  const yaml =
    'kind: Upstream\nmetadata: {name: echo, namespace: shop}\nspec: {lb: {roundRobin: {}}, outlier: {consecutiveGateway: 2}}';
  const w = world(t, { yaml, endpoints: [{ at: await freePort() }, { at: servers.b.port }] });
  assert.deepEqual(await w.many(12, () => w.grpc()), { b: 12 });
  await settled(
    () =>
      w.caller.core
        .cluster('echo.shop:80')
        ?.endpoints()
        .some(({ ejected }) => ejected) === true || active(w) === 0,
  );
  assert.equal(active(w), 0);
});

test('invariant 1: cancelled calls and broken connections release their picks', async (t) => {
  const mortal = await startGrpcBackend({ id: 'm' });
  const w = world(t, { endpoints: [{ at: mortal.port }] });
  const name = 'echo.shop:80';
  assert.equal(await w.grpc(), 'm');
  const client = new grpc.Client(w.target(name), grpc.credentials.createInsecure());
  t.after(() => client.close());
  const open = (): grpc.ClientDuplexStream<Buffer, Buffer> => {
    const stream = client.makeBidiStreamRequest(ECHO_PATHS.bidi, bytes, bytes);
    stream.on('error', () => undefined);
    stream.write(Buffer.from('x'));
    stream.resume();
    return stream;
  };
  const streams = [open(), open()];
  await settled(() => active(w) === 2);
  streams[0]?.cancel();
  await settled(() => active(w) === 1);
  await mortal.close();
  await settled(() => active(w) === 0);
});

test('invariant 3: an endpoint that leaves gets no new calls, its streams go on', async (t) => {
  const w = world(t, { endpoints: [{ at: servers.a.port }] });
  const client = new grpc.Client(w.target('echo.shop:80'), grpc.credentials.createInsecure());
  t.after(() => client.close());
  const stream = client.makeBidiStreamRequest(ECHO_PATHS.bidi, bytes, bytes);
  const said: string[] = [];
  stream.on('data', (message: Buffer) => said.push(String(message)));
  stream.write(Buffer.from('1'));
  await settled(() => said.length === 1);
  w.held.put('assignment', 'echo.shop:80', new Uint8Array());
  assert.equal(await w.grpc(), 'UNAVAILABLE');
  stream.write(Buffer.from('2'));
  await settled(() => said.length === 2);
  assert.deepEqual(said, ['a:1', 'a:2']);
  stream.end();
  await settled(() => active(w) === 0);
});

test('a call carries a trace context: the one that is there, or a new one', async (t) => {
  const seen: (string | undefined)[] = [];
  const server = new grpc.Server();
  const path = '/t.T/M';
  const method = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  } as const;
  server.addService(
    { m: method },
    {
      m: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        seen.push(call.metadata.get('traceparent')[0]?.toString());
        done(null, call.request);
      },
    },
  );
  const at = await new Promise<number>((done) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (_, port) => done(port)),
  );
  t.after(() => server.forceShutdown());
  const w = world(t, { endpoints: [{ at }] });
  const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await w.grpc({ path });
  await w.grpc({ path, metadata: { traceparent: given } });
  assert.match(seen[0] ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  assert.equal(seen[1], given);
});
