/** Requests through a sidecar, many at once or steadily, and what became of them. */
import { Agent } from 'node:http';
import type { Echo } from '../support/backends.ts';
import { type CallOptions, type CallResult, callHttp } from '../support/clients.ts';

/** Who answered. */
export const backendOf = (result: CallResult): string => (JSON.parse(result.body) as Echo).backend;

/** `count` calls, at most `parallel` at a time, on connections that are kept. */
export const callMany = async (options: CallOptions, count: number, parallel = 10): Promise<readonly CallResult[]> => {
  const agent = new Agent({ keepAlive: true, maxSockets: parallel });
  const results: CallResult[] = [];
  let started = 0;
  const worker = async (): Promise<void> => {
    while (started < count) {
      started++;
      results.push(await callHttp({ ...options, agent }));
    }
  };
  try {
    await Promise.all(Array.from({ length: parallel }, worker));
  } finally {
    agent.destroy();
  }
  return results;
};

/** How many results have each value, for example `{ 200: 40 }`. */
export const tally = (results: readonly CallResult[], key: (result: CallResult) => string): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const result of results) counts[key(result)] = (counts[key(result)] ?? 0) + 1;
  return counts;
};

export const statusOf = (result: CallResult): string => String(result.status);

export interface Traffic {
  /** Finished so far. */
  calls(): number;
  /** What was not answered with 200, with the time since the start. */
  failures(): readonly string[];
  /** Resolves when at least `count` further calls have finished. */
  more(count: number): Promise<void>;
  /** Ends; resolves when the last call is finished. */
  stop(): Promise<void>;
}

/** A steady flow: each target is called over and over, `gapMs` after the answer, on a connection that is kept. */
export const startTraffic = (targets: readonly CallOptions[], gapMs = 10): Traffic => {
  const agent = new Agent({ keepAlive: true });
  const start = performance.now();
  const failures: string[] = [];
  let calls = 0;
  let stopping = false;
  const sleep = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, ms));
  const one = async (target: CallOptions): Promise<void> => {
    const at = Math.round(performance.now() - start);
    const what = `${target.authority}${target.path ?? '/'} at ${at} ms`;
    try {
      const { status, body } = await callHttp({ ...target, agent });
      if (status !== 200) failures.push(`${what}: ${status} ${body.slice(0, 200)}`);
    } catch (error) {
      failures.push(`${what}: ${String(error)}`);
    }
    calls++;
  };
  const loops = targets.map(async (target) => {
    while (!stopping) {
      await one(target);
      await sleep(gapMs);
    }
  });
  return {
    calls: () => calls,
    failures: () => failures,
    more: async (count) => {
      const wanted = calls + count;
      while (calls < wanted && !stopping) await sleep(10);
    },
    stop: async () => {
      stopping = true;
      await Promise.all(loops);
      agent.destroy();
    },
  };
};
