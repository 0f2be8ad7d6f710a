/**
 * The two transports beside each other, without xDS above them: one message of 1 KiB to each of N connections, each acknowledged, round
 * after round. Server and client are processes of their own; the transports take turns.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Spread, spreadOf } from './spread.ts';
import type { ServerFigures, ServerTask } from './transport-child.ts';

export interface TransportBenchOptions {
  readonly connections?: number;
  readonly bytes?: number;
  readonly rounds?: number;
  /** Times that both are measured, in turn. */
  readonly repeats?: number;
  /** Connections of the measurement of memory. */
  readonly many?: number;
}

interface Figures {
  readonly cpuUsPerMessage: number;
  readonly connectCpuUs: number;
  readonly kbPerConnection: number;
  readonly heapKbPerConnection: number;
  readonly round: Spread;
}

const NAMES = ['grpc-js', 'http2'] as const;

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round((sorted[Math.floor(sorted.length / 2)] ?? 0) * 10) / 10;
};

const child = (...execArgv: string[]): ChildProcess =>
  fork(fileURLToPath(new URL('./transport-child.js', import.meta.url)), { execArgv });

const measure = async (task: ServerTask): Promise<ServerFigures> => {
  const server = child('--expose-gc');
  const client = child();
  try {
    server.send(task);
    const [{ port }] = (await once(server, 'message')) as [{ port: number }];
    client.send({ role: 'client', port, connections: task.connections });
    const [{ figures }] = (await once(server, 'message')) as [{ figures: ServerFigures }];
    return figures;
  } finally {
    server.kill();
    client.kill();
  }
};

const joined = (runs: readonly ServerFigures[]): Figures => ({
  cpuUsPerMessage: median(runs.map(({ cpuUsPerMessage }) => cpuUsPerMessage)),
  connectCpuUs: median(runs.map(({ connectCpuUs }) => connectCpuUs)),
  kbPerConnection: median(runs.map(({ kbPerConnection }) => kbPerConnection)),
  heapKbPerConnection: median(runs.map(({ heapKbPerConnection }) => heapKbPerConnection)),
  round: spreadOf(runs.flatMap(({ roundMs }) => roundMs)),
});

const ratio = (a: number, b: number): number => Math.round((a / b) * 100) / 100;

export const run = async (options: TransportBenchOptions = {}) => {
  const { connections = 1_000, bytes = 1_024, rounds = 50, repeats = 3, many = 10_000 } = options;
  const runs: Record<(typeof NAMES)[number], ServerFigures[]> = { 'grpc-js': [], http2: [] };
  for (let repeat = 0; repeat < repeats; repeat++)
    for (const transport of NAMES)
      runs[transport].push(await measure({ role: 'server', transport, connections, bytes, warm: 20, rounds }));
  const large: Record<string, Figures> = {};
  for (const transport of NAMES)
    large[transport] = joined([
      await measure({ role: 'server', transport, connections: many, bytes, warm: 3, rounds: 5 }),
    ]);
  const grpc = joined(runs['grpc-js']);
  const http2 = joined(runs.http2);
  return {
    connections,
    bytes,
    'grpc-js': grpc,
    http2,
    http2ToGrpcJs: {
      cpu: ratio(http2.cpuUsPerMessage, grpc.cpuUsPerMessage),
      cpuPerRun: runs.http2
        .map((one, at) => ratio(one.cpuUsPerMessage, runs['grpc-js'][at]?.cpuUsPerMessage ?? 0))
        .join(' '),
      roundP50: ratio(http2.round.p50Ms, grpc.round.p50Ms),
      memory: ratio(http2.kbPerConnection, grpc.kbPerConnection),
    },
    many: { connections: many, ...large },
  };
};
