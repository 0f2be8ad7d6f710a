/** Time-outs of a try and limits of connections that docs/calls.md says the gRPC client honours, as grpc.test.ts. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { portOf } from '../../support/ports.ts';
import { ECHO_PATHS } from '../../support/stream-backends.ts';
import { type World, world } from './world.ts';

const upstream = (spec: string): string => `kind: Upstream\nmetadata: {name: echo, namespace: shop}\nspec: ${spec}`;
const route = (spec: string): string => `kind: Route\nmetadata: {name: echo, namespace: shop}\nspec: ${spec}`;

type Call = grpc.ServerDuplexStream<Buffer, Buffer>;
const bytes = (value: Buffer): Buffer => value;

interface Scripted {
  readonly at: number;
  /** Calls so far, and by connection. */
  calls(): number;
  readonly peers: string[];
}

/** A server that does with each call what the test says. */
const scripted = async (t: TestContext, answer: (call: Call) => void): Promise<Scripted> => {
  const server = new grpc.Server();
  const peers: string[] = [];
  const method = (path: string) => ({
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  });
  const run = (call: Call): void => {
    peers.push(call.getPeer());
    call.on('error', () => undefined).on('data', () => undefined);
    answer(call);
  };
  server.addService({ unary: method(ECHO_PATHS.unary), bidi: method(ECHO_PATHS.bidi) }, { unary: run, bidi: run });
  const at = await new Promise<number>((done, fail) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? done(port) : fail(error),
    ),
  );
  t.after(() => server.forceShutdown());
  return { at, peers, calls: () => peers.length };
};
const say =
  (who: string) =>
  (call: Call): void => {
    call.write(Buffer.from(`${who}:x`));
    call.end();
  };
const fail =
  (code: grpc.status) =>
  (call: Call): void =>
    void call.emit('error', { code, details: 'fails' });
const nothing = (): void => undefined;

/** A stream that sends and reads; ends with the name of its status and the messages that came. */
const talk = async (
  t: TestContext,
  w: World,
  send: (call: grpc.ClientDuplexStream<Buffer, Buffer>) => void,
): Promise<string> => {
  const client = new grpc.Client(w.target('echo.shop:80'), grpc.credentials.createInsecure());
  t.after(() => client.close());
  const call = client.makeBidiStreamRequest(ECHO_PATHS.bidi, bytes, bytes, { deadline: Date.now() + 20_000 });
  let count = 0;
  call.on('data', () => {
    count += 1;
  });
  call.on('error', () => undefined);
  send(call);
  const [{ code }] = (await once(call, 'status')) as [grpc.StatusObject];
  return `${grpc.status[code]} ${count}`;
};

test('grpc: retry.timeout: a slow try is left for another endpoint; alone it ends with DEADLINE_EXCEEDED', async (t) => {
  const slow = await scripted(t, nothing);
  const well = await scripted(t, say('b'));
  // Many attempts, because on a busy machine any answer may be late.
  const spec = (attempts: number): string =>
    route(`{timeout: 60s, retry: {attempts: ${attempts}, timeout: 200ms, when: {gateway: true}}}`);
  const w = world(t, { yaml: spec(4), endpoints: [{ at: slow.at }, { at: well.at }] });
  while (slow.calls() === 0) assert.equal(await w.grpc({ deadlineMs: 60_000 }), 'b');
  const alone = world(t, { yaml: spec(1), endpoints: [{ at: slow.at }] });
  const before = slow.calls();
  assert.equal(await alone.grpc({ deadlineMs: 60_000 }), 'DEADLINE_EXCEEDED');
  assert.equal(slow.calls() - before, 2);
  // The service's own DEADLINE_EXCEEDED is none of it, nor is a try whose head has come.
  const own = await scripted(t, fail(grpc.status.DEADLINE_EXCEEDED));
  const other = world(t, { yaml: spec(1), endpoints: [{ at: own.at }] });
  assert.deepEqual([await other.grpc(), own.calls()], ['DEADLINE_EXCEEDED', 1]);
  const late = await scripted(t, (call) => {
    call.sendMetadata(new grpc.Metadata());
    setTimeout(say('late'), 400, call);
  });
  assert.equal(await world(t, { yaml: spec(1), endpoints: [{ at: late.at }] }).grpc(), 'late');
});

test('a try over its retry.timeout counts for ejection', async (t) => {
  const slow = [await scripted(t, nothing), await scripted(t, nothing)];
  const yaml = `${upstream('{outlier: {consecutive5xx: 1, maxPercent: 50}}')}\n---\n${route('{retry: {timeout: 40ms, when: {gateway: true}}}')}`;
  const w = world(t, { yaml, endpoints: slow.map(({ at }) => ({ at })) });
  assert.equal(await w.grpc(), 'DEADLINE_EXCEEDED');
  assert.equal(w.caller.core.cluster('echo.shop:80')?.stats().ejections, 1);
});

test('grpc: idleTimeout: silence ends the call and is not tried again, messages in either direction keep it', async (t) => {
  const yaml = route('{idleTimeout: 600ms, retry: {attempts: 3, when: {gateway: true, reset: true}}}');
  const silent = await scripted(t, nothing);
  const w = world(t, { yaml, endpoints: [{ at: silent.at }] });
  const every100 = (times: number, each: (left: number) => void): void => {
    each(times);
    if (times > 0) setTimeout(every100, 100, times - 1, each);
  };
  const eight = (call: Call | grpc.ClientDuplexStream<Buffer, Buffer>): void =>
    every100(8, (left) => (left > 0 ? call.write(Buffer.from('x')) : call.end()));
  const hears = world(t, { yaml, endpoints: [{ at: (await scripted(t, eight)).at }] });
  const listening = await scripted(t, (call) => call.on('end', () => call.end()));
  const says = world(t, { yaml, endpoints: [{ at: listening.at }] });
  assert.deepEqual(
    await Promise.all([w.grpc({ deadlineMs: 60_000 }), talk(t, hears, (call) => call.end()), talk(t, says, eight)]),
    ['DEADLINE_EXCEEDED', 'OK 8', 'OK 0'],
  );
  assert.equal(silent.calls(), 1);
});

test('grpc: limits.pending: so many may wait for a connection, more fail with UNAVAILABLE', async (t) => {
  // It takes connections and says nothing.
  const silent = createServer();
  const sockets: Socket[] = [];
  silent.on('connection', (socket) => sockets.push(socket));
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const endpoints = [{ at: portOf(silent) }];
  const w = world(t, { yaml: upstream('{limits: {pending: 2}}'), endpoints });
  const calls = Array.from({ length: 5 }, () => w.grpc({ deadlineMs: 60_000 }));
  assert.deepEqual(await Promise.all(calls.slice(2)), Array(3).fill('UNAVAILABLE'));
  assert.equal(await Promise.race([...calls.slice(0, 2), Promise.resolve('they wait')]), 'they wait');
});

test('grpc: limits.retryPercent: that share of the running calls may be retries', async (t) => {
  const holding =
    (answer: (call: Call) => void) =>
    (call: Call): void =>
      call.getPath() === ECHO_PATHS.bidi ? undefined : answer(call);
  const failing = await scripted(t, holding(fail(grpc.status.INTERNAL)));
  const well = await scripted(t, holding(say('b')));
  const endpoints = [{ at: failing.at }, { at: well.at }];
  const budget = (percent: number): World =>
    world(t, {
      yaml: `${upstream(`{lb: {roundRobin: {}}, limits: {minRetries: 0, retryPercent: ${percent}}}`)}\n---\n${route('{retry: {attempts: 1, when: {grpc: [internal]}}}')}`,
      endpoints,
    });
  // While 4 calls run, 25 % of them are one retry, and 24 % none. The calls are begun when the endpoints' connections stand.
  for (const [percent, ends] of [
    [25, { b: 6 }],
    [24, { b: 3, UNAVAILABLE: 3 }],
  ] as const) {
    const w = budget(percent);
    const before = [failing.calls(), well.calls()];
    const client = new grpc.Client(w.target('echo.shop:80'), grpc.credentials.createInsecure());
    t.after(() => client.close());
    const running = Array.from({ length: 4 }, () => client.makeBidiStreamRequest(ECHO_PATHS.bidi, bytes, bytes));
    for (const call of running) call.on('error', () => undefined);
    const cluster = () => w.caller.core.cluster('echo.shop:80');
    while (cluster()?.stats().active !== 4) await new Promise((next) => setTimeout(next, 5));
    while (failing.calls() === before[0] || well.calls() === before[1]) await w.grpc();
    assert.deepEqual(await w.many(6, () => w.grpc()), ends);
    for (const call of running) call.cancel();
  }
});

test('grpc: limits.requestsPerConnection: then another connection is made, the calls on the first go on', async (t) => {
  const open: Call[] = [];
  const server = await scripted(t, (call) => (open.length < 1 ? void open.push(call) : say('x')(call)));
  const w = world(t, { yaml: upstream('{limits: {requestsPerConnection: 2}}'), endpoints: [{ at: server.at }] });
  const first = w.grpc({ deadlineMs: 20_000 });
  while (open.length === 0) await new Promise((next) => setTimeout(next, 5));
  assert.deepEqual(await w.many(4, () => w.grpc()), { x: 4 });
  say('first')(open[0] as Call);
  assert.equal(await first, 'first');
  const connections = server.peers.map((peer) => server.peers.indexOf(peer));
  assert.deepEqual(connections, [0, 0, 2, 2, 4]);
  const free = world(t, { endpoints: [{ at: server.at }] });
  await free.many(5, () => free.grpc());
  assert.equal(new Set(server.peers.slice(5)).size, 1);
});
