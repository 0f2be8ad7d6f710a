/** Two sides of results, figure by figure, with what makes them hard to compare. Pure. */
import { type Figure, figuresOf } from '../report/figures.ts';
import type { SimResult } from '../result.ts';
import { chanceOfApart, type Judgement, judge, type Side } from './noise.ts';

export interface ComparedFigure extends Pick<Figure, 'section' | 'name' | 'unit'> {
  /** Undefined: one side has not measured it. `unjudged`: a side has no run that came to its end. */
  readonly judgement:
    | (Omit<Judgement, 'verdict'> & { readonly verdict: Judgement['verdict'] | 'unjudged' })
    | undefined;
}

export interface Difference {
  readonly what: string;
  readonly a: string;
  readonly b: string;
}

export interface Comparison {
  /** Runs of each side that are compared: those that came to their end, if any did. */
  readonly runs: readonly [number, number];
  /** Runs of each side that did not. */
  readonly unfinished: readonly [number, number];
  /** False: a side has only runs that did not come to their end, so no figure has a verdict. */
  readonly isJudged: boolean;
  /** Options, machine, mesh or version that are not the same in all runs of both sides. */
  readonly differences: readonly Difference[];
  /** What weakens the judgement, one sentence each. */
  readonly warnings: readonly string[];
  readonly figures: readonly ComparedFigure[];
  readonly isWorse: boolean;
}

const factsOf = ({ options, machine, meshHash, version }: SimResult): ReadonlyMap<string, string> => {
  // The load at start differs always; it is a warning of the report when it is high.
  const { load: _load, ...fixed } = machine;
  const facts = { ...options, ...fixed, 'hash of the mesh': meshHash, version };
  return new Map(Object.entries(facts).map(([name, value]) => [name, String(value)]));
};

const differencesOf = (a: readonly SimResult[], b: readonly SimResult[]): Difference[] => {
  const [left, right] = [a.map(factsOf), b.map(factsOf)];
  const names = new Set([...left, ...right].flatMap((facts) => [...facts.keys()]));
  const all = (side: readonly ReadonlyMap<string, string>[], name: string): string =>
    [...new Set(side.map((facts) => facts.get(name) ?? 'not said'))].join(', ');
  return [...names]
    .map((what) => ({ what, a: all(left, what), b: all(right, what) }))
    .filter((found) => found.a !== found.b || found.a.includes(', '));
};

const key = ({ section, name }: Figure): string => `${section}\n${name}`;

const sideOf = (figures: readonly ReadonlyMap<string, Figure>[], name: string): Side => ({
  runs: figures.flatMap((run) => run.get(name)?.value ?? []),
  samples: figures.flatMap((run) => run.get(name)?.samples ?? []),
});

const isComplete = ({ outcome }: SimResult): boolean => outcome.status === 'complete';

const unfinishedOf = (side: string, all: readonly SimResult[]): string[] => {
  const unfinished = all.filter((result) => !isComplete(result)).length;
  if (unfinished === 0) return [];
  const said =
    all.length === 1
      ? `The run of ${side} did not end as it should`
      : `${unfinished} of the ${all.length} runs of ${side} did not end as they should`;
  return unfinished < all.length
    ? [`${said}, and are left out.`]
    : [`${said}: its figures are of a part, and nothing is judged.`];
};

/** Those that came to their end; if none did, all. */
const comparable = (side: readonly SimResult[]): readonly SimResult[] =>
  side.some(isComplete) ? side.filter(isComplete) : side;

const warningsOf = (a: readonly SimResult[], b: readonly SimResult[], differs: boolean): string[] => {
  const runs = Math.min(a.length, b.length);
  const busy = [...a, ...b].filter(({ machine }) => machine.load > machine.cpus / 2).length;
  const chance = Math.round(chanceOfApart(a.length, b.length) * 100);
  return [
    ...(differs
      ? ['The two sides are not of the same run: what differs is named, and is a cause of what changed.']
      : []),
    ...(busy > 0
      ? [`${busy} of the runs began while something else was at work on the machine: their times say little.`]
      : []),
    ...(runs < 2
      ? [
          'One run on a side: its seconds, or wide margins, stand in for runs. Weak; three runs a side or more say more.',
        ]
      : []),
    ...(runs >= 2 && chance > 5
      ? [
          `With ${a.length} and ${b.length} runs, the ranges of a figure that has not changed lie apart by chance in ${chance} of 100 cases.`,
        ]
      : []),
  ];
};

/** Both sides hold at least one result. */
export const compareResults = (allA: readonly SimResult[], allB: readonly SimResult[]): Comparison => {
  const [a, b] = [comparable(allA), comparable(allB)];
  const isJudged = [...a, ...b].every(isComplete);
  const tables = [a, b].map((side) =>
    side.map((result) => new Map(figuresOf(result).map((figure) => [key(figure), figure]))),
  );
  const [left = [], right = []] = tables;
  const known = new Map([...left, ...right].flatMap((figures) => [...figures]));
  const figures = [...known].map(([name, { section, name: said, unit, better, isSeeded, isFault = false }]) => {
    // What the seed decides is only the same for the same mesh and options; else it is judged as that of a machine.
    const judgement = judge(sideOf(left, name), sideOf(right, name), { better, isSeeded, isFault });
    return {
      section,
      name: said,
      unit,
      judgement: judgement === undefined || isJudged ? judgement : { ...judgement, verdict: 'unjudged' as const },
    };
  });
  const differences = differencesOf(a, b);
  return {
    runs: [a.length, b.length],
    unfinished: [allA.filter((run) => !isComplete(run)).length, allB.filter((run) => !isComplete(run)).length],
    isJudged,
    differences,
    warnings: [...unfinishedOf('A', allA), ...unfinishedOf('B', allB), ...warningsOf(a, b, differences.length > 0)],
    figures: figures.filter(({ judgement }) => judgement !== undefined),
    isWorse: figures.some(({ judgement }) => judgement?.verdict === 'worse'),
  };
};
