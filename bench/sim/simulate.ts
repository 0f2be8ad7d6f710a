/** `tendril bench sim`: options in, a run, three files and a few lines out. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkFiles, optionsOf } from './options.ts';
import { PROFILES } from './profiles.ts';
import { writeReports } from './report/index.ts';
import type { PropagationFigures, SimResult } from './result.ts';
import { runSimulation } from './run.ts';
import { summaryLines, summaryMarkdown, summaryOfRuns } from './runs.ts';

export interface SimulateIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly signal: AbortSignal;
  readonly version: string;
  readonly isTerminal: boolean;
}

const propagationOf = (figures: PropagationFigures | undefined): string =>
  figures === undefined
    ? ''
    : `; ${figures.arrived} of ${figures.expected} deliveries, P50 ${figures.each.p50} P99 ${figures.each.p99} max ${figures.each.max} ms`;

const summaryOf = (result: SimResult): readonly string[] => {
  const { connect, churn, hot, lost, unneeded, storm, fullMesh, faults, goals } = result;
  const lines: string[] = [];
  if (connect !== undefined)
    lines.push(
      `connect    ${connect.completed} of ${connect.sidecars} sidecars in ${connect.totalMs} ms, ${connect.bytesPerSidecar} bytes each (listener ${connect.listenerBytesPerSidecar})`,
    );
  for (const [name, figures] of [
    ['churn', churn],
    ['hot', hot],
  ] as const)
    if (figures !== undefined)
      lines.push(
        `${name.padEnd(10)} ${figures.changes} changes, ${figures.arrived} of ${figures.expected} deliveries (${figures.coalesced} coalesced), P50 ${figures.each.p50} P90 ${figures.each.p90} P99 ${figures.each.p99} max ${figures.each.max} ms`,
      );
  for (const fault of faults)
    lines.push(
      `fault      ${fault.what}: ${fault.pushes} pushes to ${fault.holders} holders, largest ${fault.largestPush} bytes${propagationOf(fault.propagation)}`,
    );
  if (storm !== undefined)
    lines.push(
      `storm      ${storm.resubscribed} of ${storm.sidecars} back in ${storm.allSubscribedMs ?? '?'} ms, ${storm.reconnects} streams anew, ${storm.resourceBytes} resource bytes on them; then ${storm.proof.arrived} of ${storm.proof.expected} deliveries; RSS ${storm.rssBeforeMiB} -> ${storm.rssPeakMiB} MB`,
    );
  if (fullMesh !== undefined)
    lines.push(`full mesh  ${fullMesh.bytesPerSidecar} bytes per sidecar: ${fullMesh.bytesRatio} times of on demand`);
  lines.push(
    `lost ${lost?.resources ?? 'not checked'}, foreign ${unneeded?.foreign ?? 'not checked'}, repeated ${unneeded?.repeated ?? 'not checked'}, refused ${result.refused}`,
  );
  lines.push(
    `memory     ${result.serverRssAnonMiB ?? '?'} MB at the end of the steady phase, ${result.serverRssAnonPeakMiB ?? '?'} MB at most (RssAnon of all server processes)`,
  );
  for (const goal of goals)
    lines.push(`${goal.met ? 'met   ' : 'MISSED'}     ${goal.what}: ${goal.measured}, asked ${goal.asked}`);
  return lines;
};

/** Exit code: 0 when the run came to its end, 130 after Ctrl-C, else 1. Throws `USAGE` before anything starts. */
export const simulate = async (argv: readonly string[], io: SimulateIo): Promise<number> => {
  if (argv.join(' ') === '--profile list' || argv.join(' ') === '--profile=list') {
    for (const { name, shows } of PROFILES) io.out(`${name.padEnd(18)}${shows}`);
    return 0;
  }
  const asked = optionsOf(argv);
  const { options } = asked;
  checkFiles(options);
  if (options.mode === 'full-mesh' && !argv.some((word) => word.startsWith('--sidecars')))
    io.err(`full-mesh: ${options.sidecars} sidecars unless --sidecars says otherwise, since each holds the whole mesh`);
  const command = ['tendril bench sim', ...argv].join(' ');
  io.err(`${options.profile}: ${asked.profile.shows}`);
  const run = async (dir: string): Promise<{ readonly result: SimResult; readonly code: number }> => {
    const result = await runSimulation({
      ...asked,
      command,
      version: io.version,
      signal: io.signal,
      progress: io.err,
      everyMs: io.isTerminal ? 1_000 : 10_000,
    });
    return { result, code: await keep(dir, result, io) };
  };
  const name = `${new Date().toISOString().replaceAll(/[:.]/g, '-')}-${options.profile}`;
  const dir = asked.out ?? join('tendril-bench', name);
  if (asked.runs === 1) return (await run(dir)).code;
  const results: SimResult[] = [];
  let code = 0;
  for (let number = 1; number <= asked.runs && !io.signal.aborted; number++) {
    io.err(`run ${number} of ${asked.runs}`);
    const one = await run(join(dir, String(number)));
    results.push(one.result);
    code = Math.max(code, one.code);
  }
  const summary = summaryOfRuns(results);
  await writeFile(join(dir, 'summary.json'), `${JSON.stringify(summary, null, 1)}\n`);
  await writeFile(join(dir, 'summary.md'), summaryMarkdown(summary));
  for (const line of summaryLines(summary)) io.out(line);
  io.out(`summary    ${join(dir, 'summary.md')}`);
  return code;
};

/** Writes what a run left, says it, and gives the exit code. */
const keep = async (dir: string, result: SimResult, io: SimulateIo): Promise<number> => {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'result.json'), `${JSON.stringify(result, null, 1)}\n`);
  const { html } = await writeReports(dir, result);
  for (const line of summaryOf(result)) io.out(line);
  io.out(`report     ${html}`);
  const { status, message = status, log = [] } = result.outcome;
  if (status === 'complete') return 0;
  io.err(`bench sim: ${message}; what was measured until then is kept in ${dir}`);
  for (const line of log) io.err(`  server: ${line}`);
  return status === 'interrupted' ? 130 : 1;
};
