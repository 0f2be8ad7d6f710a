/** A result as a simulation of 200 sidecars leaves it, made by a seed: for the tests of reports and of the comparison. */
import { type Percentiles, type Phase, RESULT_FORMAT, type Second, type SimResult } from '../../bench/sim/result.ts';

export interface ResultInput {
  /** Moves times and CPU a little. */
  readonly noise?: number;
  /** Multiplies times. */
  readonly slower?: number;
  readonly seconds?: number;
}

const spread = (middle: number, count: number): Percentiles => ({
  count,
  p50: middle,
  p90: middle * 2.2,
  p99: middle * 5,
  max: middle * 9,
});

const phase = (name: Phase['name'], fromMs: number, toMs: number): Phase => ({
  name,
  fromMs,
  toMs,
  serverCpuS: (toMs - fromMs) / 4_000,
  clientCpuS: (toMs - fromMs) / 8_000,
});

export const simResult = (input: ResultInput = {}): SimResult => {
  const { noise = 0, slower = 1, seconds = 20 } = input;
  const middle = (at: number): number => (10 + ((at * 7 + noise * 3) % 5)) * slower;
  const list: Second[] = Array.from({ length: seconds }, (_, at) => ({
    atMs: at * 1_000,
    phase: at < 5 ? 'connect' : 'churn',
    connected: Math.min(200, at * 50),
    changes: at < 5 ? 0 : 20,
    pushes: 60 + at,
    resources: 60 + at,
    bytes: 25_000 + at * 10,
    ...(at < 5 ? {} : { propagation: spread(middle(at), 80) }),
    coalesced: at % 3,
    ...(at % 4 === 0 ? {} : { loopLagMs: 5 }),
    cpuS: { supervisor: 0, core: 0.2, worker: 0.3 + (at % 3) / 10, client: 0.2 },
    rssAnonMiB: { supervisor: 30, core: 90 + at / 10, worker: 70, client: 60 },
  }));
  return {
    format: RESULT_FORMAT,
    at: '2026-11-28T12:00:00.000Z',
    version: '0.1.0',
    command: 'tendril bench sim --profile default --sidecars 200 --seed 1',
    shows: 'a mesh of any size under steady churn',
    options: {
      ...{
        profile: 'default',
        mode: 'on-demand',
        sidecars: 200,
        services: 500,
        endpoints: 5,
        deps: 10,
        churn: 20,
        hot: 0,
      },
      ...{ durationS: 15, settleS: 0, seed: 1, workers: 1, clients: 2, perConnection: 1, log: 'lmdb', probes: 2 },
    },
    machine: { cpus: 2, model: 'any', memoryGiB: 24, node: 'v20.20.2', platform: 'linux x64', load: 0.2 },
    outcome: { status: 'complete' },
    meshHash: 'c0ffee',
    phases: [phase('load', 0, 1_000), phase('connect', 1_000, 5_000), phase('churn', 5_000, seconds * 1_000)],
    seconds: list,
    processes: [
      { role: 'core', pid: 11, cpuS: 4 * slower, rssAnonMiB: 92, rssAnonPeakMiB: 95 },
      { role: 'worker', pid: 12, cpuS: 6 * slower, rssAnonMiB: 70, rssAnonPeakMiB: 71 },
      { role: 'client', pid: 13, cpuS: 3, rssAnonMiB: 60, rssAnonPeakMiB: 66 },
    ],
    serverRssAnonPeakMiB: 197,
    serverRssAnonMiB: 192 + noise,
    loopLag: { p50Ms: 1, p99Ms: 10 },
    connect: {
      sidecars: 200,
      completed: 200,
      each: spread(120 * slower, 200),
      totalMs: (3_000 + noise) * slower,
      bytesPerSidecar: 24_123,
      listenerBytesPerSidecar: 12_369,
    },
    churn: {
      changes: 300,
      expected: 1_230,
      arrived: 1_220,
      coalesced: 10,
      each: spread(12 * slower + noise / 10, 1_220),
      last: spread(14 * slower + noise / 10, 300),
    },
    serverCpuPerChangeMs: 9 * slower + noise / 20,
    bytes: { cds: 100_000, eds: 300_000, vhds: 200_000, rds: 5_000, lds: 2_400_000, other: 0 },
    pushes: 1_300,
    resources: 4_000,
    lost: { sidecars: 0, resources: 0, examples: [] },
    unneeded: { foreign: 0, repeated: 0, examples: [] },
    refused: 0,
    reconnects: 0,
    faults: [],
    fullMesh: {
      probes: 2,
      bytesPerSidecar: 905_000,
      listenerBytesPerSidecar: 12_369,
      resourcesPerSidecar: 1_502,
      firstConfigurationMs: 410,
      bytesRatio: 37.5,
    },
    goals: [{ what: 'P99 event to sidecar', asked: '<= 250 ms', measured: 60 * slower, unit: 'ms', met: slower < 4 }],
  };
};
