/** `tendril demo`: the main job on a real mesh, with traffic, until Ctrl-C (or `--once`). */
import { join } from 'node:path';
import { packageRoot } from '../../runtime/index.ts';
import { flag, integer, type Options, parse } from '../arguments.ts';
import type { Command, Io } from '../command.ts';
import { fetchEnvoy, findEnvoy } from '../demo/envoy.ts';
import { loadDemoMesh } from '../demo/mesh.ts';
import { report } from '../demo/report.ts';
import { openShop, type Shop } from '../demo/shop.ts';

const OPTIONS: Options = {
  once: { type: 'boolean' },
  'no-envoy': { type: 'boolean' },
  interval: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
};

const DEFAULT_INTERVAL_S = 5;
const VISITS_PER_SECOND = 4;

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((done) => {
    if (signal.aborted) return done();
    const timer = setTimeout(finish, ms);
    function finish(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      done();
    }
    signal.addEventListener('abort', finish, { once: true });
  });

interface Tally {
  visits: number;
  failures: number;
  lastFailure: string | undefined;
}

const visit = async (shop: Shop, path: string, tally: Tally): Promise<void> => {
  tally.visits++;
  try {
    await shop.visit(path);
  } catch (error) {
    tally.failures++;
    tally.lastFailure = error instanceof Error ? error.message : String(error);
  }
};

const chooseEnvoy = async (io: Io, without: boolean): Promise<string | undefined> => {
  if (without) return undefined;
  const found = findEnvoy(io.env);
  if (found !== undefined) return found;
  io.out('no Envoy here yet: fetching one (npm run fetch:parts) …');
  await fetchEnvoy();
  return findEnvoy(io.env);
};

export const demo: Command = {
  name: 'demo',
  summary: 'run Online Boutique with sidecars, here and now',
  usage: 'demo [--once] [--no-envoy]',
  options: OPTIONS,
  help: [
    '--once          one round of visits, one report, exit 0',
    '--no-envoy      built-in clients instead of Envoy',
    `--interval S    seconds between reports (default ${DEFAULT_INTERVAL_S})`,
  ],
  run: async (argv, io) => {
    const args = parse('demo', argv, OPTIONS, { min: 0, max: 0, usage: demo.usage });
    const intervalS = integer(args, 'interval', 1, 3_600) ?? DEFAULT_INTERVAL_S;
    const once = flag(args, 'once');
    const mesh = loadDemoMesh(join(packageRoot, 'examples/online-boutique/mesh.json'));
    const envoy = await chooseEnvoy(io, flag(args, 'no-envoy'));
    if (envoy === undefined && !flag(args, 'no-envoy'))
      io.out('no Envoy can be had (Python with pip is needed): built-in clients stand in for the sidecars');
    const shop = await openShop({ mesh, envoy, signal: io.signal, progress: io.out });
    const tally: Tally = { visits: 0, failures: 0, lastFailure: undefined };
    try {
      io.out('');
      io.out(await report(shop.admin, mesh, tally, 'before the first request'));
      let nextReport = io.now() + intervalS * 1_000;
      do {
        for (const journey of mesh.journeys) {
          if (io.signal.aborted) break;
          await visit(shop, journey.path, tally);
          if (!once) await pause(1_000 / VISITS_PER_SECOND, io.signal);
        }
        if (!once && io.now() >= nextReport && !io.signal.aborted) {
          io.out('');
          io.out(await report(shop.admin, mesh, tally, `after ${tally.visits} visits`));
          nextReport = io.now() + intervalS * 1_000;
        }
      } while (!once && !io.signal.aborted);
      if (once) {
        io.out('');
        io.out(await report(shop.admin, mesh, tally, `after ${tally.visits} visits`));
      }
    } finally {
      io.out('ending everything the demo started …');
      await shop.stop();
    }
    if (once && tally.failures > 0) {
      io.err(
        `error DEMO_FAILED: ${tally.failures} of ${tally.visits} visits failed, the last one with: ${tally.lastFailure}`,
      );
      return 1;
    }
    return 0;
  },
};
