/**
 * F-fuzz of reference/reliability.md, section 4b (issue 4, 2.3). Both variables are printed; the same seed and count give the same run,
 * message by message.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { until } from '../cli/support/tendril.ts';
import { Fleet } from '../support/fleet.ts';
import { heapWithin, settledHeap } from '../support/heap.ts';
import { Fuzz } from './support/fuzz.ts';
import { serveHere } from './support/serve-here.ts';
import { socketFuzz } from './support/socket-fuzz.ts';

const MB = 2 ** 20;

const settings = (variable: string, count: number): { readonly seed: number; readonly requests: number } => {
  const seed = Number(process.env.TENDRIL_FUZZ_SEED ?? Date.now() % 2 ** 31);
  const requests = Number(process.env[variable] ?? count);
  process.stdout.write(`seed: TENDRIL_FUZZ_SEED=${seed} ${variable}=${requests}\n`);
  return { seed, requests };
};

/** Against the whole control plane over real sockets; the order in which it reads them is not the seed's to decide. */
export const socketFuzzRounds = async (t: TestContext, count: number): Promise<void> => {
  const { seed, requests } = settings('TENDRIL_SOCKET_FUZZ_COUNT', count);
  const { port, metric } = await serveHere(t, 10);
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => {
    unhandled.push(error);
  };
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  await socketFuzz(port, seed + 1, Math.ceil(requests / 4));
  const before = await settledHeap();
  const { ended, responses } = await socketFuzz(port, seed, requests);
  await until(
    async () => ((await metric('tendril_xds_sessions')) === 0 ? true : undefined),
    () => 'sessions stay',
  );
  const grown = (await heapWithin(before + 16 * MB)) - before;
  t.diagnostic(
    `${requests} requests, ${responses} responses, ended ${JSON.stringify([...ended])}, heap ${(grown / MB).toFixed(1)} MB more`,
  );
  assert.equal(await metric('tendril_xds_failures_total'), 0, 'defects inside the server');
  assert.ok((ended.get(3) ?? 0) > 0 && responses > 0);
  assert.ok(grown <= 16 * MB, `heap grew by ${grown} bytes`);
  assert.deepEqual(unhandled, []);
  const fleet = new Fleet({ port, size: 1 });
  t.after(() => fleet.close());
  fleet.sidecars[0]?.ask('svc-1');
  await until(
    () => (fleet.holding('outbound/svc-1.shop:80') === 1 ? true : undefined),
    () => 'a good client is not served any more',
  );
};

/** `count`: mutated requests without `TENDRIL_FUZZ_COUNT`. */
export const fuzzRounds = async (t: TestContext, count: number): Promise<void> => {
  const { seed, requests } = settings('TENDRIL_FUZZ_COUNT', count);
  const fuzz = new Fuzz(seed);
  // Code that is compiled and tables that are filled once are no leak.
  fuzz.run(Math.ceil(requests / 10));
  const before = await settledHeap();
  const report = fuzz.run(requests - Math.ceil(requests / 10));
  fuzz.end();
  const grown = (await heapWithin(before + 8 * MB)) - before;
  t.diagnostic(
    `${report.requests} requests on ${report.streams} streams, ${report.responses} responses, ended ${JSON.stringify([...report.ended])}, heap ${(grown / MB).toFixed(1)} MB more`,
  );
  assert.ok((report.ended.get(3) ?? 0) > 0 && report.responses > 0, 'damage was found, and valid requests answered');
  assert.ok(grown <= 8 * MB, `heap grew by ${grown} bytes`);
};
