/** The figures asked for in issue 7, section 3, where a run measured them at the size they are asked for. */
import { round } from './percentiles.ts';
import { PROFILES } from './profiles.ts';
import type { Goal, SimOptions, SimResult } from './result.ts';

type Measured = Omit<SimResult, 'goals'>;

const most = (what: string, limit: number, unit: string, measured: number | undefined): Goal[] =>
  measured === undefined
    ? []
    : [{ what, asked: `<= ${limit} ${unit}`.trim(), measured: round(measured), unit, met: measured <= limit }];

const SIZES = ['sidecars', 'services', 'endpoints', 'deps', 'churn', 'hot', 'durationS', 'settleS'] as const;

/** The figures are asked for at the size of the profile: a smaller run says nothing of them. */
const isAtSize = (options: SimOptions): boolean => {
  const defaults = PROFILES.find(({ name }) => name === options.profile)?.defaults ?? {};
  return SIZES.every((size) => options[size] >= (defaults[size] ?? 0));
};

export const goalsOf = (result: Measured): readonly Goal[] => {
  const { options, connect, churn, hot, loopLag, lost, unneeded, storm, fullMesh, faults } = result;
  if (options.mode === 'full-mesh') return [];
  const always = [
    ...most('resources lost', 0, '', lost?.resources),
    ...most('refused by sidecars', 0, '', lost === undefined ? undefined : result.refused),
    ...most('unneeded resources', 0, '', unneeded === undefined ? undefined : unneeded.foreign + unneeded.repeated),
  ];
  if (!isAtSize(options)) return always;
  switch (options.profile) {
    case 'istio-1000-2000':
      return [...most('RssAnon of all control plane processes', 300, 'MB', result.serverRssAnonMiB), ...always];
    case 'ten-thousand':
      return [
        ...most('P99 event to sidecar', 250, 'ms', churn?.each.p99),
        ...most('P99 event to sidecar, service that all hold', 1_500, 'ms', hot?.each.p99),
        ...most('loop lag P99', 50, 'ms', loopLag?.p99Ms),
        ...always,
      ];
    case 'bytes':
      return [
        ...most('bytes per sidecar, without the listener', 25_000, 'bytes', connect?.bytesPerSidecar),
        ...(fullMesh === undefined
          ? []
          : [
              {
                what: 'full mesh / on demand',
                asked: '>= 500 times',
                measured: round(fullMesh.bytesRatio, 1),
                unit: 'times',
                met: fullMesh.bytesRatio >= 500,
              },
            ]),
        ...always,
      ];
    case 'reconnect-storm':
      return storm === undefined
        ? always
        : [
            ...most('all subscribed after kill -9', 15_000, 'ms', storm.allSubscribedMs),
            ...most('resource bytes sent again', 0, 'bytes', storm.resourceBytes),
            {
              what: 'sidecars that a change reached after it',
              asked: 'all',
              measured: storm.proof.arrived,
              unit: `of ${storm.proof.expected} deliveries`,
              met: storm.proof.arrived === storm.proof.expected,
            },
            ...most('RSS peak / before', 1.5, 'times', storm.rssPeakMiB / storm.rssBeforeMiB),
            ...always,
          ];
    case 'route-change': {
      const [fault] = faults;
      return fault === undefined
        ? always
        : [
            {
              what: 'pushes of one route change',
              asked: `${fault.holders} (one per holder)`,
              measured: fault.pushes,
              unit: '',
              met: fault.pushes === fault.holders,
            },
            ...most('largest push', 1_500, 'bytes', fault.largestPush),
            ...always,
          ];
    }
    default:
      return always;
  }
};
