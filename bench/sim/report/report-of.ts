/** What there is to say of a result: warnings first, what on-demand saves, the goals, then every figure. */
import type { SimResult } from '../result.ts';
import { chartsOf } from './charts-of.ts';
import { figuresOf, neverArrived } from './figures.ts';
import { format } from './format.ts';
import type { Fact, FigureRow, Report, Section } from './report.ts';

/** Above this many runnable processes for each processor before the run begins, something else was at work. */
const BUSY = 0.5;
const MAX_EXAMPLES = 5;
const capital = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
const count = (value: number): string => format(value, 'count');

const outcomeOf = ({ outcome }: SimResult): string[] => {
  if (outcome.status === 'complete') return [];
  const { status, message, log = [] } = outcome;
  const died = message === undefined ? 'the control plane died in mid-run' : '';
  const begins = { interrupted: 'the run was interrupted', 'server-died': died, failed: 'the run failed' }[status];
  const said = [begins, message ?? ''].filter((part) => part !== '').join(': ');
  return [`${capital(said)}. The figures are those until then.`, ...log.map((text) => `Server: ${text}`)];
};

const warningsOf = (result: SimResult): string[] => {
  const { lost, unneeded, refused, reconnects, connect, machine, churn, hot } = result;
  const missed = result.goals
    .filter(({ met }) => !met)
    .map(({ what, asked, measured, unit }) => `Missed: ${what}: ${count(measured)} ${unit}, asked for ${asked}.`);
  const never = [churn, hot].reduce((sum, found) => sum + (found === undefined ? 0 : neverArrived(found)), 0);
  const examples = (list: readonly string[]): string =>
    list.length === 0 ? '' : ` For example ${list.slice(0, MAX_EXAMPLES).join('; ')}.`;
  return [
    ...outcomeOf(result),
    ...missed,
    ...(connect !== undefined && connect.completed < connect.sidecars
      ? [
          `${count(connect.sidecars - connect.completed)} of ${count(connect.sidecars)} sidecars never had their first configuration.`,
        ]
      : []),
    ...(lost === undefined ? ['What the sidecars hold in the end was not checked: the run did not come to that.'] : []),
    ...(lost !== undefined && lost.resources > 0
      ? [
          `${count(lost.resources)} resources of ${count(lost.sidecars)} sidecars are not what the mesh says.${examples(lost.examples)}`,
        ]
      : []),
    // Of a run that ended early, they may have been on their way.
    ...(never > 0 && result.outcome.status === 'complete' ? [`${count(never)} deliveries never arrived.`] : []),
    ...(unneeded !== undefined && unneeded.foreign + unneeded.repeated > 0
      ? [
          `${count(unneeded.foreign)} resources were sent to sidecars that do not need them, and ${count(unneeded.repeated)} a second time.${examples(unneeded.examples)}`,
        ]
      : []),
    ...(refused > 0 ? [`Sidecars refused ${count(refused)} responses.`] : []),
    ...(reconnects > 0 ? [`${count(reconnects)} streams ended and were opened again.`] : []),
    ...(machine.load > machine.cpus * BUSY
      ? [
          `The load average was ${format(machine.load, 'count')} before the run began: something else was at work on this machine.`,
        ]
      : []),
  ];
};

const savingsOf = ({ options, connect, fullMesh }: SimResult): string[] => {
  if (options.mode === 'full-mesh')
    return [
      `This run is the full mesh itself: every sidecar was sent everything${connect?.bytesPerSidecar === undefined ? '' : `, ${format(connect.bytesPerSidecar, 'bytes')} each`}. Run it with --mode on-demand and compare.`,
    ];
  if (connect?.bytesPerSidecar === undefined || fullMesh === undefined)
    return [
      'What on-demand saves was not measured: the run has no sidecars that need everything (--probes), or they did not get it.',
    ];
  const { bytesPerSidecar, each } = connect;
  const saved = (fullMesh.bytesPerSidecar - bytesPerSidecar) * options.sidecars;
  return [
    `A sidecar was sent ${format(bytesPerSidecar, 'bytes')} for its first configuration; the full mesh is ${format(fullMesh.bytesPerSidecar, 'bytes')}: ${format(fullMesh.bytesRatio, 'count')} times as much (listener apart: ${format(connect.listenerBytesPerSidecar, 'bytes')}).`,
    saved >= 0
      ? `All ${count(options.sidecars)} sidecars together are spared ${format(saved, 'bytes')} when they start.`
      : `On demand costs all ${count(options.sidecars)} sidecars together ${format(-saved, 'bytes')} more when they start: they call nearly everything there is.`,
    `A full configuration of ${count(fullMesh.resourcesPerSidecar)} resources took ${format(fullMesh.firstConfigurationMs, 'ms')}${each !== undefined && each.count > 0 ? `; on demand the median was ${format(each.p50, 'ms')}` : ''}.`,
  ];
};

const sectionsOf = (result: SimResult): Section[] => {
  const goals: FigureRow[] = result.goals.map(({ what, asked, measured, unit, met }) => ({
    what,
    asked,
    met,
    measured: `${format(measured, 'count')}${unit === '' ? '' : ` ${unit}`}`,
  }));
  const sections = new Map<string, FigureRow[]>();
  for (const { section, name, unit, value } of figuresOf(result)) {
    const rows = sections.get(section) ?? [];
    sections.set(section, rows);
    rows.push({ what: name, measured: format(value, unit) });
  }
  return [
    { title: 'Figures asked for', rows: goals },
    ...[...sections].map(([title, rows]) => ({ title, rows })),
    {
      title: 'Processes',
      rows: result.processes.map(({ role, pid, cpuS, rssAnonMiB, rssAnonPeakMiB }) => ({
        what: `${role} ${pid}`,
        measured: `${format(cpuS, 's')} CPU, ${format(rssAnonMiB, 'mib')} RssAnon at the end, ${format(rssAnonPeakMiB, 'mib')} at most`,
      })),
    },
    {
      title: 'Phases',
      rows: result.phases.map(({ name, fromMs, toMs, serverCpuS, clientCpuS }) => ({
        what: name,
        measured: `${format((toMs - fromMs) / 1_000, 's')}, CPU ${format(serverCpuS, 's')} server, ${format(clientCpuS, 's')} sidecars`,
      })),
    },
  ];
};

const factsOf = (values: object): Fact[] =>
  Object.entries(values).map(([name, value]) => ({ name, value: String(value) }));

export const reportOf = (result: SimResult): Report => {
  const { options } = result;
  const churn = options.churn > 0 ? `, ${options.churn} endpoint changes a second for ${options.durationS} s` : '';
  const hot = options.hot > 0 ? `, ${options.hot} a second of a service that all hold` : '';
  return {
    title: `Simulation: ${options.profile}, ${count(options.sidecars)} sidecars, ${count(options.services)} services, ${options.mode}`,
    lead: `${capital(result.shows)}. ${count(options.sidecars)} sidecars with ${count(options.deps)} dependencies each, ${count(options.services)} services with ${count(options.endpoints)} endpoints each${churn}${hot}. Run at ${result.at}, Tendril ${result.version}.`,
    command: result.command,
    warnings: warningsOf(result),
    savings: savingsOf(result),
    sections: sectionsOf(result),
    charts: chartsOf(result),
    options: [...factsOf(options), { name: 'hash of the mesh', value: result.meshHash }],
    machine: factsOf(result.machine),
  };
};
