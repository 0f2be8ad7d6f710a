/** The top of `.cpuprofile` files by self time: where a process spends its time. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const IDLE = new Set(['(idle)', '(program)', '(root)']);

const topOf = (profile: CpuProfile, count: number): { readonly busyMs: number; readonly lines: readonly string[] } => {
  const self = new Map<number, number>();
  for (const [at, id] of profile.samples.entries()) self.set(id, (self.get(id) ?? 0) + (profile.timeDeltas[at] ?? 0));
  const byFunction = new Map<string, number>();
  let busy = 0;
  for (const { id, callFrame } of profile.nodes) {
    const us = self.get(id) ?? 0;
    const { functionName, url, lineNumber } = callFrame;
    if (us === 0 || functionName === '(idle)' || functionName === '(root)') continue;
    busy += us;
    const place =
      IDLE.has(functionName) || url === '' ? '' : ` ${url.split('/').slice(-3).join('/')}:${lineNumber + 1}`;
    const key = `${functionName === '' ? '(anonymous)' : functionName}${place}`;
    byFunction.set(key, (byFunction.get(key) ?? 0) + us);
  }
  const lines = [...byFunction]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(
      ([key, us]) =>
        `  ${((us / busy) * 100).toFixed(1).padStart(5)} %  ${(us / 1_000).toFixed(0).padStart(6)} ms  ${key}`,
    );
  return { busyMs: busy / 1_000, lines };
};

/** One text of all profiles of a folder. */
export const summarise = (folder: string, count = 30): string =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.cpuprofile'))
    .map((name) => {
      const { busyMs, lines } = topOf(JSON.parse(readFileSync(join(folder, name), 'utf8')) as CpuProfile, count);
      return [`${basename(name)}: busy ${busyMs.toFixed(0)} ms`, ...lines].join('\n');
    })
    .join('\n\n');
