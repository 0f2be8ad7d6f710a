/** `tendril bench`: what a mesh of a given size costs. Its code lies in `bench/sim` and is loaded when it is asked for. */
import { usageError } from '../arguments.ts';
import type { Command } from '../command.ts';
import { COMPARE_HELP, COMPARE_USAGE, compare } from './bench-compare.ts';

export const bench: Command = {
  usage: COMPARE_USAGE,
  options: {},
  help: COMPARE_HELP,
  examples: ['tendril bench compare before after', 'tendril bench compare --exit-code runs/before runs/after'],
  run: async ([what, ...rest], io) => {
    if (what === 'compare') return compare(rest, io);
    throw usageError(
      what === undefined ? `something is missing: tendril ${bench.usage}` : `bench: "${what}" is not known`,
    );
  },
};
