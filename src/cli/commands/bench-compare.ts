/** `tendril bench compare A B`: two simulations, or two sets of them, side by side, and what of it is noise. */
import { flag, type Options, oneOf, parse } from '../arguments.ts';
import type { Io } from '../command.ts';

const OPTIONS: Options = {
  output: { type: 'string', short: 'o' },
  'exit-code': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
};

export const COMPARE_USAGE = 'bench compare A B [--exit-code] [-o table|json]';
export const COMPARE_HELP = [
  'compare A B   A and B: a folder that bench sim has written, its result.json, a folder of such folders,',
  '              or several of them separated by commas; three runs a side tell a change from noise',
  '--exit-code   compare: exit with 2 when something is worse beyond noise, or a run of B did not end',
  '-o FORMAT     compare: table, json',
];

export const compare = async (argv: readonly string[], io: Io): Promise<number> => {
  const args = parse('bench', argv, OPTIONS, { min: 2, max: 2, usage: COMPARE_USAGE });
  const format = oneOf(args, 'output', ['table', 'json']) ?? 'table';
  const [a = '', b = ''] = args.positionals;
  const { runCompare } = await import('../../../bench/sim/index.ts');
  const { text, status } = runCompare(a, b, { format, exitCode: flag(args, 'exit-code') });
  io.out(text);
  return status;
};
