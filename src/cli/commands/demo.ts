/** `tendril demo`: the main job on a real mesh, with traffic, until Ctrl-C (or `--once`). */
import { join } from 'node:path';
import { TendrilError } from '../../model/index.ts';
import { packageRoot } from '../../runtime/index.ts';
import { flag, integer, type Options, parse } from '../arguments.ts';
import type { Command, Io } from '../command.ts';
import { fetchEnvoy, findEnvoy } from '../demo/envoy.ts';
import { loadDemoMesh } from '../demo/mesh.ts';
import { report, type Visits } from '../demo/report.ts';
import { openShop, type Shop } from '../demo/shop.ts';
import { pause } from '../pause.ts';

const OPTIONS: Options = {
  once: { type: 'boolean' },
  'no-envoy': { type: 'boolean' },
  interval: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
};

const DEFAULT_INTERVAL_S = 5;
const VISITS_PER_SECOND = 4;

interface Tally extends Visits {
  visits: number;
  failures: number;
  lastFailure: string | undefined;
}

const visit = async (shop: Shop, path: string, tally: Tally, signal: AbortSignal): Promise<void> => {
  try {
    await shop.visit(path);
  } catch (error) {
    if (signal.aborted) return;
    tally.failures++;
    tally.lastFailure = error instanceof Error ? error.message : String(error);
  }
  tally.visits++;
};

const chooseEnvoy = async (io: Io, without: boolean): Promise<string | undefined> => {
  if (without) return undefined;
  const found = findEnvoy(io.env);
  if (found !== undefined) return found;
  io.out('no Envoy here yet: fetching one (npm run fetch:parts) …');
  await fetchEnvoy(io.signal);
  return findEnvoy(io.env);
};

/** One round of all journeys, or rounds until the signal, with a report every `intervalS`. */
const walk = async (shop: Shop, io: Io, tally: Tally, options: { once: boolean; intervalS: number }): Promise<void> => {
  const say = async (title: string): Promise<void> => {
    if (io.signal.aborted) return;
    io.out(`\n${await report(shop.admin, shop.mesh, tally, title)}`);
  };
  await say('before the first request');
  let nextReport = io.now() + options.intervalS * 1_000;
  do {
    for (const journey of shop.mesh.journeys) {
      if (io.signal.aborted) return;
      await visit(shop, journey.path, tally, io.signal);
      if (!options.once) await pause(1_000 / VISITS_PER_SECOND, io.signal);
    }
    if (options.once) await shop.settled();
    if (options.once || io.now() >= nextReport) {
      await say(`after ${tally.visits} visits`);
      nextReport = io.now() + options.intervalS * 1_000;
    }
  } while (!options.once);
};

export const demo: Command = {
  usage: 'demo [--once] [--no-envoy]',
  options: OPTIONS,
  help: [
    '--once          one round of visits, one report, exit 0',
    '--no-envoy      built-in clients instead of Envoy',
    `--interval S    seconds between reports (default ${DEFAULT_INTERVAL_S})`,
    '',
    'TENDRIL_ENVOY names the Envoy to use; else the one of `npm run fetch:parts`, else the one on PATH.',
    'Ctrl-C ends everything it started.',
  ],
  run: async (argv, io) => {
    const args = parse('demo', argv, OPTIONS, { min: 0, max: 0, usage: demo.usage });
    const intervalS = integer(args, 'interval', 1, 3_600) ?? DEFAULT_INTERVAL_S;
    const once = flag(args, 'once');
    const mesh = loadDemoMesh(join(packageRoot, 'examples/online-boutique/mesh.json'));
    const envoy = await chooseEnvoy(io, flag(args, 'no-envoy'));
    if (envoy === undefined && !flag(args, 'no-envoy') && !io.signal.aborted)
      io.out('no Envoy can be had (Python with pip is needed): built-in clients stand in for the sidecars');
    const tally: Tally = { visits: 0, failures: 0, lastFailure: undefined };
    let shop: Shop | undefined;
    try {
      shop = await openShop({ mesh, envoy, signal: io.signal, progress: io.out });
      if (!once) io.out(`look around: tendril proxies --server ${shop.admin.server}   (Ctrl-C ends the demo)`);
      await walk(shop, io, tally, { once, intervalS });
    } catch (error) {
      // Told to stop in the middle of something: what failed then is no fault.
      if (!io.signal.aborted) throw error;
    } finally {
      if (shop !== undefined) io.out('ending everything the demo started …');
      await shop?.stop();
    }
    if (once && tally.failures > 0)
      throw new TendrilError(
        'DEMO_FAILED',
        `${tally.failures} of ${tally.visits} visits failed, the last one with: ${tally.lastFailure}`,
        { remedy: envoy === undefined ? 'tendril demo --once' : 'tendril demo --once --no-envoy' },
      );
    return 0;
  },
};
