/** `tendril bench sim`: a mesh of a given size, its control plane and its sidecars, here and now. */
import { usageError } from '../arguments.ts';
import type { Io } from '../command.ts';

export const SIM_USAGE = 'bench sim [--profile P] [options]';
export const SIM_HELP = [
  'sim --profile P     options to begin with; `--profile list` names them and what each shows',
  '  --sidecars N --services S --endpoints E --deps D   size: sidecars; services, endpoints of each; services a sidecar calls',
  '  --churn R --hot R --duration T                     changes/s over all endpoints, and of the service all call; 30s, 5m, or seconds',
  '  --settle T          at rest for so long before the churn (the server gives memory back when it is quiet)',
  '  --runs N            the same thing N times, each in a folder of its own, and medians with lowest..highest',
  '  --seed X            same seed, same mesh and changes',
  '  --mode M            on-demand, full-mesh (everything to everybody; 50 sidecars by default)',
  '  --workers W --clients C --log L   xDS workers (0: one process); client processes; lmdb, memory',
  '  --per-conn K        sidecars that share a connection (default 1, as Envoys do)',
  '  --probes N          sidecars that take the full mesh at the end, for comparison (default 2)',
  '  --out DIR           result.json, result.md, report.html (default ./tendril-bench/<time>-<profile>)',
];

/** The simulation's code. With very few open files allowed it cannot even be read; with more, `simulate` says how many are needed. */
const load = async (): Promise<typeof import('../../../bench/sim/index.ts')> => {
  try {
    return await import('../../../bench/sim/index.ts');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
    throw usageError('bench sim: too few open files are allowed (ulimit -n) to load its code', 'ulimit -n 1024');
  }
};

export const sim = async (argv: readonly string[], io: Io): Promise<number> => {
  const { simulate } = await load();
  return simulate(argv, {
    out: io.out,
    err: io.err,
    signal: io.signal,
    // Loaded late: where few open files are allowed, that is said before packages cannot be found.
    version: async () => (await import('../../runtime/index.ts')).packageVersion(),
    isTerminal: process.stderr.isTTY === true,
  });
};
