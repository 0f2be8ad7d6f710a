/** `tendril bench`: what a mesh of a given size costs. Its code lies in `bench/sim` and is loaded when it is asked for. */
import { usageError } from '../arguments.ts';
import type { Command } from '../command.ts';
import { COMPARE_HELP, COMPARE_USAGE, compare } from './bench-compare.ts';
import { SIM_HELP, SIM_USAGE, sim } from './bench-sim.ts';

export const bench: Command = {
  usage: `${SIM_USAGE} | tendril ${COMPARE_USAGE}`,
  options: {},
  help: [...SIM_HELP, '', ...COMPARE_HELP],
  examples: [
    'tendril bench sim --profile istio-1000-2000',
    'tendril bench sim --sidecars 200 --services 100 --churn 20 --duration 10 --seed 7 --out before',
    'tendril bench compare before after',
    'tendril bench compare --exit-code runs/before runs/after',
  ],
  run: async ([what, ...rest], io) => {
    if (what === 'sim') return sim(rest, io);
    if (what === 'compare') return compare(rest, io);
    throw usageError(
      what === undefined
        ? `something is missing: tendril ${bench.usage}`
        : `bench: "${what}" is not known: sim, compare`,
    );
  },
};
