/** CPU and memory of a server with all its processes, sampled while a load runs: /proc, read from outside. */
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

export interface ProcessSample {
  readonly pid: number;
  readonly cpuS: number;
  readonly rssAnonKb: number;
  readonly files: number;
}

export interface Sample {
  /** ms since the epoch. */
  readonly at: number;
  readonly processes: readonly ProcessSample[];
}

const cpuOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
};

const rssAnonOf = (pid: number): number =>
  Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);

/** The process and all below it. */
export const treeOf = (pid: number): number[] => {
  const below: number[] = [];
  for (const task of readdirSync(`/proc/${pid}/task`))
    for (const child of readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' '))
      if (child.trim() !== '') below.push(...treeOf(Number(child)));
  return [pid, ...below];
};

export const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');

export const sampleOf = (pids: readonly number[], withFiles: boolean): Sample => ({
  at: Date.now(),
  processes: pids.map((pid) => ({
    pid,
    cpuS: cpuOf(pid),
    rssAnonKb: rssAnonOf(pid),
    files: withFiles ? readdirSync(`/proc/${pid}/fd`).length : 0,
  })),
});

/** Looks every `everyMs` until stopped. */
export class Sampler {
  readonly samples: Sample[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(pids: readonly number[], options: { readonly everyMs: number; readonly withFiles: boolean }) {
    const look = (): void => {
      this.samples.push(sampleOf(pids, options.withFiles));
    };
    look();
    this.#timer = setInterval(look, options.everyMs);
  }

  stop(): readonly Sample[] {
    clearInterval(this.#timer);
    return this.samples;
  }
}

export const cpuOfAll = ({ processes }: Sample): number => processes.reduce((sum, { cpuS }) => sum + cpuS, 0);

/**
 * CPU seconds of all processes while the first one went from `from` to `to` CPU seconds. The load tool reports those of one process at
 * the bounds of each phase; the server idles before and after, so they tell where in the samples the phase lies.
 */
export const cpuBetween = (samples: readonly Sample[], pid: number, from: number, to: number): number => {
  const cpu = (sample: Sample): number => sample.processes.find((process) => process.pid === pid)?.cpuS ?? 0;
  const before = samples.findLast((sample) => cpu(sample) <= from + 0.005) ?? samples[0];
  const after = samples.find((sample) => cpu(sample) >= to - 0.005) ?? samples.at(-1);
  return before === undefined || after === undefined ? 0 : cpuOfAll(after) - cpuOfAll(before);
};
