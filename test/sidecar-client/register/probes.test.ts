/** Probes of real servers and programs (src/sidecar-client/register/probes). */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { after, test } from 'node:test';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { decodeHealthCheckRequest, encodeHealthCheckResponse, SERVING_STATUS } from '../../../src/proto/index.ts';
import { type ProbeResult, Prober, parseProbe } from '../../../src/sidecar-client/register/index.ts';
import { until } from '../../cli/support/tendril.ts';
import { freePort } from '../../support/ports.ts';

const open: { close(): unknown }[] = [];
after(async () => {
  for (const one of open.reverse()) await one.close();
});

const look = (text: string): Promise<ProbeResult> => parseProbe(text).run(AbortSignal.timeout(10_000));

const http = createServer((request, response) => {
  if (request.url === '/hangs') return;
  response.statusCode = Number(/[0-9]+/.exec(request.url ?? '')?.[0] ?? 200);
  response.end(`host ${request.headers.host}\nbye`);
}).listen(0, '127.0.0.1');
await once(http, 'listening');
const httpPort = (http.address() as AddressInfo).port;
open.push({
  close: () => {
    http.closeAllConnections();
    http.close();
  },
});

test('HTTP: statuses, ranges, host; what is wrong is said, with what was answered', async () => {
  const url = `http://127.0.0.1:${httpPort}`;
  for (const ok of ['/', '/301', '/503#status=503', '/404#status=200-299,404'])
    assert.equal((await look(url + ok)).ok, true, ok);
  assert.deepEqual(await look(`${url}/503`), {
    ok: false,
    why: `GET ${url}/503: status 503`,
    output: `host 127.0.0.1:${httpPort} bye`,
  });
  assert.equal((await look(`${url}/301#status=200-299`)).ok, false);
  assert.equal((await look(`${url}/500#host=cart.shop`)).output, 'host cart.shop bye');
  const nobody = await look(`http://127.0.0.1:${await freePort()}/`);
  assert.equal(nobody.ok, false);
  assert.match(nobody.why, /ECONNREFUSED/);
});

test('TCP: connects or not', async () => {
  const server = createTcpServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  assert.equal((await look(`tcp://127.0.0.1:${port}`)).ok, true);
  server.close();
  await once(server, 'close');
  assert.deepEqual(await look(`tcp:127.0.0.1:${port}`), { ok: false, why: `tcp:127.0.0.1:${port}: ECONNREFUSED` });
});

test('gRPC: SERVING is up; anything else, and a service that is not known, is not', async () => {
  const server = new Server();
  const bytes = (buffer: Buffer): Buffer => buffer;
  const path = '/grpc.health.v1.Health/Check';
  server.addService(
    {
      check: {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    },
    {
      check: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
        const service = decodeHealthCheckRequest(call.request);
        if (service === 'none') return answer({ code: status.NOT_FOUND, details: 'who?' });
        const is = service === 'ill' ? SERVING_STATUS.NOT_SERVING : SERVING_STATUS.SERVING;
        answer(null, Buffer.from(encodeHealthCheckResponse(is)));
      },
    },
  );
  const port = await new Promise<number>((done, fail) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? done(bound) : fail(error),
    ),
  );
  open.push({ close: () => server.forceShutdown() });
  const target = `127.0.0.1:${port}`;
  assert.equal((await look(`grpc://${target}`)).ok, true);
  assert.equal((await look(`grpc:${target}/shop.Cart`)).ok, true);
  assert.deepEqual(await look(`grpc://${target}/ill`), { ok: false, why: `grpc://${target}/ill: NOT_SERVING` });
  assert.match((await look(`grpc://${target}/none`)).why, /NOT_FOUND.*who\?/);
  assert.match((await look(`grpc://127.0.0.1:${await freePort()}`)).why, /UNAVAILABLE/);
});

test('command: exit code, the beginning of its output, no shell', async () => {
  assert.equal((await look('cmd:true')).ok, true);
  const failed = await look(`cmd:${process.execPath} -e "console.log('no disk'); process.exit(3)"`);
  assert.equal(failed.ok, false);
  assert.match(failed.why, /exit code 3$/);
  assert.equal(failed.output, 'no disk');
  const loud = await look(`cmd:${process.execPath} -e "console.log('x'.repeat(100000)); process.exitCode = 1"`);
  assert.equal(loud.output?.length, 1_024);
  assert.match((await look('cmd:no-such-program-here')).why, /ENOENT/);
  assert.equal((await look(`cmd:test "$HOME" = '$HOME'`)).ok, true, 'nothing is expanded');
});

test('command: without free file descriptors it is a failure with its reason, and nothing ends the application', () => {
  const module = new URL('../../../src/sidecar-client/register/index.js', import.meta.url).href;
  const program = `
    import { openSync } from 'node:fs';
    import { parseProbe } from '${module}';
    try { for (;;) openSync('/dev/null'); } catch {}
    const { ok, why } = await parseProbe('cmd:true').run(new AbortController().signal);
    await new Promise((done) => setTimeout(done, 50));
    console.log(ok, why);`;
  // With a limit that is reached soon.
  const words = ['-c', 'ulimit -n 256; exec "$0" --input-type=module -e "$1"', process.execPath, program];
  const { status, stdout, stderr } = spawnSync('sh', words, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^false cmd:true: EMFILE/);
});

test('a probe that hangs is cut at its time-out, is a failure, and is never run twice at once', async () => {
  for (const text of [`http://127.0.0.1:${httpPort}/hangs`, 'cmd:sleep 600']) {
    const probe = parseProbe(text);
    let [running, most] = [0, 0];
    const results: ProbeResult[] = [];
    const prober = new Prober({
      probe: {
        name: probe.name,
        run: async (signal) => {
          most = Math.max(most, ++running);
          const result = await probe.run(signal);
          running--;
          return result;
        },
      },
      intervalMs: 10,
      timeoutMs: 40,
      startIntervalMs: 10,
      onResult: (result) => results.push(result),
    });
    prober.start();
    await until(
      () => (results.length >= 3 ? true : undefined),
      () => `${results.length} results`,
    );
    prober.stop();
    const count = results.length;
    await until(
      () => (running === 0 ? true : undefined),
      () => `${running} run after the stop`,
    );
    assert.equal(results.length, count, 'nothing is told after the stop');
    assert.equal(most, 1);
    assert.ok(results.every(({ ok }) => !ok));
    assert.match(results[0]?.why ?? '', /no answer within 40 ms$/);
  }
});

test('one hang is one failure, also when the time-out ends with an interval; a probe that cannot be cut fails again and again', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const cuttable = (results: ProbeResult[], ends: boolean): Prober => {
    const run = (signal: AbortSignal): Promise<ProbeResult> =>
      new Promise((done) => {
        if (ends) signal.addEventListener('abort', () => done({ ok: false, why: 'cut' }));
      });
    const onResult = (result: ProbeResult): void => {
      results.push(result);
    };
    return new Prober({ probe: { name: 'p', run }, intervalMs: 500, timeoutMs: 1_000, startIntervalMs: 500, onResult });
  };
  for (const ends of [true, false]) {
    const results: ProbeResult[] = [];
    const prober = cuttable(results, ends);
    prober.start();
    for (let at = 0; at < 1_000; at += 500) t.mock.timers.tick(500);
    const hung = { ok: false, why: 'p: no answer within 1000 ms' };
    assert.deepEqual(results, [hung], 'in the turn of the cut');
    // What was cut ends between two intervals, when it ends at all.
    await new Promise((done) => setImmediate(done));
    for (let at = 0; at < 1_500; at += 500) t.mock.timers.tick(500);
    const late = { ok: false, why: 'p: the one before does not end, though it was cut' };
    assert.deepEqual(results, ends ? [hung, hung] : [hung, late, late, late]);
    prober.stop();
  }
});

test('what is no probe is refused with what is allowed', () => {
  for (const [text, words] of [
    ['', /no known kind/],
    ['127.0.0.1:80', /no known kind/],
    ['ftp://x', /no known kind/],
    ['tcp://x', /names no address/],
    ['tcp://x:0', /names no address/],
    ['tcp://x:99999', /names no address/],
    ['tcp://x:1/y', /only connects/],
    ['grpc:', /names no address/],
    ['cmd:', /names no program/],
    ['cmd:a "b', /quote/],
    ['http://', /not a URL/],
    ['http://x/#status=20', /status "20"/],
    ['http://x/#status=300-200', /allowed: 100 to 599/],
    ['http://x/#retry=1', /allowed: status, host/],
  ] as const)
    assert.throws(
      () => parseProbe(text),
      (error: { code?: string; message?: string; remedy?: string }) =>
        error.code === 'PROBE_INVALID' && words.test(error.message ?? '') && (error.remedy ?? '') !== '',
      text,
    );
});
