/** A result in a few lines for a terminal, with the figures as the reports write them. */
import { neverArrived } from './report/figures.ts';
import { format } from './report/format.ts';
import type { Percentiles, PropagationFigures, SimResult } from './result.ts';

const times = ({ count, p50, p90, p99, max }: Percentiles): string =>
  count === 0
    ? ''
    : `, P50 ${format(p50, 'ms')}, P90 ${format(p90, 'ms')}, P99 ${format(p99, 'ms')}, max ${format(max, 'ms')}`;

const count = (value: number): string => format(value, 'count');

const deliveries = (found: PropagationFigures): string =>
  `${count(found.arrived)} of ${count(found.expected)} deliveries (${count(found.coalesced)} coalesced)${times(found.each)}`;

const connectLine = ({ connect }: SimResult): string[] => {
  if (connect === undefined) return [];
  const { sidecars, completed, totalMs, bytesPerSidecar, listenerBytesPerSidecar } = connect;
  const cost =
    bytesPerSidecar === undefined
      ? ''
      : ` in ${format(totalMs, 'ms')}, ${format(bytesPerSidecar, 'bytes')} each (listener ${format(listenerBytesPerSidecar, 'bytes')})`;
  return [`connect    ${count(completed)} of ${count(sidecars)} sidecars${cost}`];
};

const changeLine = (name: string, found: PropagationFigures | undefined, isComplete: boolean): string[] => {
  if (found === undefined) return [];
  const never = neverArrived(found);
  return [
    `${name.padEnd(11)}${count(found.changes)} changes, ${deliveries(found)}`,
    ...(isComplete && never > 0 ? [`${''.padEnd(11)}${count(never)} never arrived`] : []),
  ];
};

export const summaryOf = (result: SimResult): readonly string[] => {
  const { lost, unneeded, storm, fullMesh, faults, goals, outcome } = result;
  const isComplete = outcome.status === 'complete';
  const checked = (value: number | undefined): string => (value === undefined ? 'not checked' : count(value));
  return [
    ...connectLine(result),
    ...changeLine('churn', result.churn, isComplete),
    ...changeLine('hot', result.hot, isComplete),
    ...faults.map(
      ({ what, pushes, holders, largestPush, propagation }) =>
        `fault      ${what}: ${count(pushes)} pushes to ${count(holders)} holders, largest ${format(largestPush, 'bytes')}${propagation === undefined ? '' : `; ${deliveries(propagation)}`}`,
    ),
    ...(storm === undefined
      ? []
      : [
          `storm      ${count(storm.resubscribed)} of ${count(storm.sidecars)} back in ${format(storm.allSubscribedMs, 'ms')}, ${count(storm.reconnects)} streams anew, ${format(storm.resourceBytes, 'bytes')} of resources on them; then ${count(storm.proof.arrived)} of ${count(storm.proof.expected)} deliveries; RSS ${format(storm.rssBeforeMiB, 'mib')} -> ${format(storm.rssPeakMiB, 'mib')}`,
        ]),
    ...(fullMesh === undefined
      ? []
      : [
          `full mesh  ${format(fullMesh.bytesPerSidecar, 'bytes')} per sidecar: ${format(fullMesh.bytesRatio, 'count')} times that of on demand`,
        ]),
    `lost ${checked(lost?.resources)}, foreign ${checked(unneeded?.foreign)}, repeated ${checked(unneeded?.repeated)}, refused ${count(result.refused)}`,
    `memory     ${format(result.serverRssAnonMiB, 'mib')} at the end of the steady phase, ${format(result.serverRssAnonPeakMiB, 'mib')} at most (RssAnon of all server processes)`,
    ...goals.map(
      ({ what, asked, measured, unit, met }) =>
        `${met ? 'met   ' : 'MISSED'}     ${what}: ${count(measured)}${unit === '' ? '' : ` ${unit}`}, asked ${asked}`,
    ),
  ];
};
