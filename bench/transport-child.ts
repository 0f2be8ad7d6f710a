/**
 * The two ends of `bench/transport.ts`, each a process of its own. The client speaks HTTP/2 by hand, so that it takes as little as
 * possible of the machine, and answers every message as a sidecar acknowledges.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { Connections } from '../src/delta-xds/connections.ts';
import { createGrpcTransport } from '../src/delta-xds/grpc-transport.ts';
import { H2Transport } from '../src/delta-xds/h2/index.ts';
import { DEFAULT_SERVER_LIMITS } from '../src/delta-xds/limits.ts';
import { listenOn } from '../src/delta-xds/listener.ts';
import { type TransportOptions, type TransportStream, zeroTransportCounters } from '../src/delta-xds/transport.ts';
import { data, headers, PREFACE, SETTINGS_ACK, settings, windowUpdate } from '../test/support/h2-frames.ts';

/** Streams served per turn of the event loop, as in the hub. */
const SLICE = 64;
const WINDOW = 1 << 28;
const PATH = '/bench.Transport/Stream';
const nothing = (): void => undefined;

/** KB of memory that the process itself needs. */
const rssAnonKb = (): number => Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0);

export interface ServerFigures {
  readonly kbPerConnection: number;
  readonly heapKbPerConnection: number;
  readonly connectCpuUs: number;
  readonly cpuUsPerMessage: number;
  readonly roundMs: readonly number[];
}

export interface ServerTask {
  readonly role: 'server';
  readonly transport: 'grpc-js' | 'http2';
  readonly connections: number;
  readonly bytes: number;
  readonly warm: number;
  readonly rounds: number;
}

export interface ClientTask {
  readonly role: 'client';
  readonly port: number;
  readonly connections: number;
}

const collect = (): void => (globalThis as { gc?: () => void }).gc?.();

const serve = async ({ transport: name, connections: count, bytes, warm, rounds }: ServerTask): Promise<void> => {
  const clock = (): number => performance.now();
  const limits = DEFAULT_SERVER_LIMITS;
  const connections = new Connections(limits, clock, Math.random);
  const streams: TransportStream[] = [];
  let asked = 0;
  let told: () => void = nothing;
  const options: TransportOptions = {
    limits,
    routes: new Map([
      [
        PATH,
        (stream) => {
          streams.push(stream);
          return {
            onMessage: () => {
              if (--asked === 0) told();
            },
            onHalfClose: nothing,
            onClose: nothing,
          };
        },
      ],
    ]),
    hooks: {
      opened: (peer) => connections.opened(peer),
      closed: (peer) => connections.closed(peer),
      reset: (peer) => connections.reset(peer),
    },
    counters: zeroTransportCounters(),
    clock,
    tls: undefined,
  };
  const transport = name === 'http2' ? new H2Transport(options) : createGrpcTransport(options);
  collect();
  const before = { rss: rssAnonKb(), heap: process.memoryUsage().heapUsed, cpu: process.cpuUsage() };
  const listener = await listenOn('127.0.0.1', 0, (socket) => connections.accept(socket, transport), nothing);
  asked = count;
  // Each stream sends one message of its own account: all are up.
  const up = new Promise<void>((done) => {
    told = done;
  });
  process.send?.({ port: listener.port });
  await up;
  const connectCpu = process.cpuUsage(before.cpu);
  await new Promise((rest) => setTimeout(rest, 1_000));
  collect();
  const kb = (rssAnonKb() - before.rss) / count;
  const heapKb = (process.memoryUsage().heapUsed - before.heap) / 1_024 / count;
  const message = Buffer.alloc(bytes, 'x');
  const turn = (): Promise<void> => new Promise((next) => setImmediate(next));
  const round = async (): Promise<number> => {
    const begun = performance.now();
    asked = count;
    const answered = new Promise<void>((done) => {
      told = done;
    });
    for (let at = 0; at < streams.length; at += SLICE) {
      for (const stream of streams.slice(at, at + SLICE)) stream.write(message, nothing);
      await turn();
    }
    await answered;
    return performance.now() - begun;
  };
  for (let index = 0; index < warm; index++) await round();
  const roundMs: number[] = [];
  const started = process.cpuUsage();
  for (let index = 0; index < rounds; index++) roundMs.push(await round());
  const spent = process.cpuUsage(started);
  const figures: ServerFigures = {
    kbPerConnection: kb,
    heapKbPerConnection: heapKb,
    connectCpuUs: (connectCpu.user + connectCpu.system) / count,
    cpuUsPerMessage: (spent.user + spent.system) / (count * rounds),
    roundMs,
  };
  process.send?.({ figures });
};

const ACK = (() => {
  const payload = Buffer.alloc(5 + 60, 'a');
  payload[0] = 0;
  payload.writeUInt32BE(60, 1);
  return data(1, payload);
})();

const dial = ({ port, connections }: ClientTask): void => {
  const hello = Buffer.concat([
    PREFACE,
    settings({ 4: WINDOW }),
    windowUpdate(0, WINDOW),
    SETTINGS_ACK,
    headers(1, PATH),
    ACK,
  ]);
  let left = connections;
  const next = (): void => {
    if (left-- <= 0) return;
    let rest: Buffer = Buffer.alloc(0);
    const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => {
      socket.write(hello);
      setImmediate(next);
    });
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      while (bytes.length >= 9) {
        const length = bytes.readUIntBE(0, 3);
        if (bytes.length < 9 + length) break;
        // One DATA frame is one message here.
        if (bytes[3] === 0 && length > 0) socket.write(ACK);
        bytes = bytes.subarray(9 + length);
      }
      rest = bytes.length === 0 ? Buffer.alloc(0) : Buffer.from(bytes);
    });
  };
  for (let parallel = 0; parallel < 20; parallel++) next();
};

process.on('disconnect', () => process.exit());
process.on('message', (task: ServerTask | ClientTask) => {
  if (task.role === 'server') void serve(task);
  else dial(task);
});
