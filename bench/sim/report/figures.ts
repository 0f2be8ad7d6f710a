/** The figures of a result by name, unit and direction: what reports list and `bench compare` judges. */
import type { Percentiles, PropagationFigures, Second, SimResult } from '../result.ts';
import type { Unit } from './format.ts';

export interface Figure {
  readonly section: string;
  readonly name: string;
  readonly unit: Unit;
  readonly value: number | undefined;
  readonly better: 'lower' | 'higher' | 'neither';
  /** The seed decides it, not the machine: it does not vary from run to run. */
  readonly isSeeded: boolean;
  /** Must be nought: any is worse, and one run is enough. */
  readonly isFault?: boolean;
  /** The same figure of each second, where it is one. */
  readonly samples?: readonly number[];
}

type Shape = Pick<Figure, 'unit' | 'better' | 'isSeeded' | 'isFault'>;
const TIME: Shape = { unit: 'ms', better: 'lower', isSeeded: false };
const MEMORY: Shape = { unit: 'mib', better: 'lower', isSeeded: false };
const CPU: Shape = { unit: 's', better: 'lower', isSeeded: false };
const BYTES: Shape = { unit: 'bytes', better: 'lower', isSeeded: true };
/** Must be nought: any is worse. */
const FAULTS: Shape = { unit: 'count', better: 'lower', isSeeded: true, isFault: true };
const COUNT: Shape = { unit: 'count', better: 'neither', isSeeded: false };

const SERVER = ['supervisor', 'core', 'worker'] as const;

const samplesOf = (result: SimResult, read: (second: Second) => number | undefined): readonly number[] =>
  result.seconds.filter(({ phase }) => phase === 'churn').flatMap((second) => read(second) ?? []);

const spread = (
  result: SimResult,
  section: string,
  found: Percentiles | undefined,
  read?: (second: Second) => Percentiles | undefined,
): Figure[] =>
  (['p50', 'p90', 'p99', 'max'] as const).map((key) => ({
    section,
    name: key === 'max' ? 'max' : key.toUpperCase(),
    // Of no times there are no percentiles.
    value: found === undefined || found.count === 0 ? undefined : found[key],
    ...TIME,
    ...(read === undefined ? {} : { samples: samplesOf(result, (second) => read(second)?.[key]) }),
  }));

const serverSum = (second: Second, field: 'cpuS' | 'rssAnonMiB'): number | undefined => {
  const parts = SERVER.flatMap((role) => second[field][role] ?? []);
  return parts.length === 0 ? undefined : parts.reduce((sum, part) => sum + part, 0);
};

const listOf = (section: string, rows: readonly (readonly [string, Shape, number | undefined])[]): Figure[] =>
  rows.map(([name, shape, value]) => ({ section, name, value, ...shape }));

const processes = (result: SimResult): Figure[] => {
  const cpu = result.processes.filter(({ role }) => role !== 'client').map(({ cpuS }) => cpuS);
  return [
    {
      section: 'Server',
      name: 'RssAnon of all processes',
      ...MEMORY,
      value: result.serverRssAnonMiB,
      samples: samplesOf(result, (second) => serverSum(second, 'rssAnonMiB')),
    },
    ...listOf('Server', [
      ['RssAnon, highest second', MEMORY, result.serverRssAnonPeakMiB],
      ['CPU of the run', CPU, cpu.length === 0 ? undefined : cpu.reduce((sum, part) => sum + part, 0)],
      ['CPU for a change', TIME, result.serverCpuPerChangeMs],
      ['loop lag P50', TIME, result.loopLag?.p50Ms],
    ]),
    {
      section: 'Server',
      name: 'loop lag P99',
      ...TIME,
      value: result.loopLag?.p99Ms,
      samples: samplesOf(result, ({ loopLagMs }) => loopLagMs),
    },
  ];
};

const isComplete = ({ outcome }: SimResult): boolean => outcome.status === 'complete';

/** Nothing overtook them, and they did not come. */
export const neverArrived = ({ expected, arrived, coalesced }: PropagationFigures): number =>
  expected - arrived - coalesced;

const change = (
  result: SimResult,
  section: string,
  found: SimResult['churn'],
  read: (second: Second) => Percentiles | undefined,
): Figure[] =>
  found === undefined
    ? []
    : [
        ...spread(result, section, found.each, read),
        ...listOf(section, [
          ['last sidecar of a change, P50', TIME, found.last.count === 0 ? undefined : found.last.p50],
          ['last sidecar of a change, P99', TIME, found.last.count === 0 ? undefined : found.last.p99],
          ['changes', COUNT, found.changes],
          ['deliveries', COUNT, found.arrived],
          ['coalesced', COUNT, found.coalesced],
          // They may have been on their way when the run ended.
          ['never arrived', FAULTS, isComplete(result) ? neverArrived(found) : undefined],
        ]),
      ];

export const figuresOf = (result: SimResult): readonly Figure[] => {
  const { connect, storm, fullMesh } = result;
  return [
    ...change(result, 'Propagation', result.churn, (second) => second.propagation),
    ...change(result, 'Propagation of the service that all hold', result.hot, (second) => second.hotPropagation),
    ...processes(result),
    ...(connect === undefined
      ? []
      : [
          ...listOf('First configuration', [
            ['sidecars without it', FAULTS, connect.sidecars - connect.completed],
            ['all have it after', TIME, connect.totalMs],
            ['bytes a sidecar, without listener', BYTES, connect.bytesPerSidecar],
            ['bytes of the listener', BYTES, connect.listenerBytesPerSidecar],
          ]),
          ...spread(result, 'First configuration', connect.each),
        ]),
    ...listOf('Delivery', [
      ['sidecars that lost something', FAULTS, result.lost?.sidecars],
      ['resources lost', FAULTS, result.lost?.resources],
      ['resources nobody asked for', FAULTS, result.unneeded?.foreign],
      ['equal versions sent again', FAULTS, result.unneeded?.repeated],
      ['refused by sidecars', FAULTS, result.refused],
      ['streams opened again', { ...FAULTS, isSeeded: false }, result.reconnects],
      ['messages', COUNT, result.pushes],
      ['resources', COUNT, result.resources],
      ['bytes', { ...BYTES, isSeeded: false }, Object.values(result.bytes).reduce((sum, part) => sum + part, 0)],
    ]),
    ...(storm === undefined
      ? []
      : listOf('Reconnect storm', [
          ['sidecars not back', FAULTS, storm.sidecars - storm.resubscribed],
          ['all subscribed after', TIME, storm.allSubscribedMs],
          ['since the server was ready', TIME, storm.sinceReadyMs],
          ['resource bytes sent again', BYTES, storm.resourceBytes],
          ['listener bytes sent again', BYTES, storm.listenerBytes],
          ['streams opened again', { ...COUNT, better: 'lower' }, storm.reconnects],
          ['RSS before', MEMORY, storm.rssBeforeMiB],
          ['RSS, highest', MEMORY, storm.rssPeakMiB],
          ['RSS, highest over before', { ...MEMORY, unit: 'ratio' }, storm.rssPeakMiB / storm.rssBeforeMiB],
          ['deliveries of the proof', COUNT, storm.proof.arrived],
          ['of', COUNT, storm.proof.expected],
        ])),
    ...result.faults.flatMap(({ what, holders, pushes, bytes, largestPush, serverCpuS, ms, propagation }) => [
      ...listOf(`Fault: ${what}`, [
        ['sidecars that hold it', COUNT, holders],
        ['messages', { ...COUNT, better: 'lower' }, pushes],
        ['bytes', { ...BYTES, isSeeded: false }, bytes],
        ['largest message', BYTES, largestPush],
        ['CPU of the server', CPU, serverCpuS],
        ['until it was quiet', TIME, ms],
      ]),
      ...change(result, `Propagation in the fault`, propagation, () => undefined),
    ]),
    ...(fullMesh === undefined
      ? []
      : listOf('Full mesh', [
          ['bytes a sidecar, without listener', { ...BYTES, better: 'neither' }, fullMesh.bytesPerSidecar],
          ['resources a sidecar', COUNT, fullMesh.resourcesPerSidecar],
          ['first configuration', { ...TIME, better: 'neither' }, fullMesh.firstConfigurationMs],
          ['full mesh over on demand', { unit: 'ratio', better: 'higher', isSeeded: true }, fullMesh.bytesRatio],
          ['not what sidecars hold', FAULTS, fullMesh.differing],
        ])),
  ];
};
