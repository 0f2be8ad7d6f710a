/** What every fault test begins with: its seed and its count, by argument, and printed. */
import { seeded } from '../store/support.ts';

export interface FaultRun {
  readonly seed: number;
  /** Rounds, images, cycles: what the test counts. */
  readonly count: number;
  /** [0, 1), the same for the same seed. */
  readonly random: () => number;
  /** Whole number from `low` to `high`, both possible. */
  readonly between: (low: number, high: number) => number;
}

/** Whole number from the environment, or `otherwise`. */
const numberOf = (variable: string, otherwise: number): number => {
  const text = process.env[variable];
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${variable} is "${text}", not a whole number`);
  return value;
};

/**
 * @param name of the fault without `F-`, in capitals: `KILL` reads `TENDRIL_KILL_SEED` and `TENDRIL_KILL_COUNT`
 * @param count unless the variable says otherwise
 */
export const faultRun = (name: string, count: number): FaultRun => {
  const seed = numberOf(`TENDRIL_${name}_SEED`, Math.floor(Math.random() * 2 ** 31));
  const rounds = numberOf(`TENDRIL_${name}_COUNT`, count);
  process.stderr.write(`F-${name}: seed: TENDRIL_${name}_SEED=${seed} TENDRIL_${name}_COUNT=${rounds}\n`);
  const random = seeded(seed);
  return {
    seed,
    count: rounds,
    random,
    between: (low, high) => low + Math.floor(random() * (high - low + 1)),
  };
};
