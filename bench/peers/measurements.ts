/** What is compared with whom, and the figures asked for. */
import { type ByType, cpuInAll, type Load, rssPerConnection } from './load.ts';
import { lagBetween, type Scrape } from './loop-lag.ts';
import type { RunningPeer, ServerKind } from './servers.ts';
import type { MeshSize } from './tools.ts';

export type Figures = Readonly<Record<string, number>>;

/** One server on one mesh. */
export interface Contestant {
  readonly label: string;
  readonly kind: ServerKind;
  readonly mesh: MeshSize;
}

export interface Goal {
  readonly what: string;
  /** The figure itself, from the medians by contestant; undefined: not measured. */
  readonly value: (medians: Readonly<Record<string, Figures>>) => number | undefined;
  readonly limit: number;
  readonly atLeast?: true;
}

export interface Measurement {
  readonly name: string;
  readonly title: string;
  readonly contestants: readonly Contestant[];
  readonly flags: readonly string[];
  /** File descriptors are counted and memory is looked at. */
  readonly memory?: true;
  /** Loop lag is looked at while it runs. */
  readonly lag?: true;
  readonly figures: (run: {
    readonly load: Load;
    readonly server: RunningPeer;
    readonly scrapes: readonly Scrape[];
    readonly sidecars: number;
  }) => Figures;
  readonly goals: readonly Goal[];
}

export interface Scale {
  readonly sidecars: number;
  readonly many: number;
  readonly services: number;
  readonly serviceSteps: readonly number[];
  readonly triggers: number;
  readonly fastTriggers: number;
  readonly intervalMs: number;
  readonly soakS: number;
}

export const FULL: Scale = {
  sidecars: 1_000,
  many: 10_000,
  services: 1_000,
  serviceSteps: [100, 1_000, 5_000, 20_000],
  triggers: 100,
  fastTriggers: 300,
  intervalMs: 250,
  soakS: 15,
};

export const QUICK: Scale = {
  sidecars: 200,
  many: 1_000,
  services: 200,
  serviceSteps: [100, 1_000],
  triggers: 20,
  fastTriggers: 50,
  intervalMs: 100,
  soakS: 4,
};

export interface Forms {
  /** Flags of every one of ours, e.g. another transport. */
  readonly flags: readonly string[];
  readonly profile?: string;
}

const LINEAR: ServerKind = { name: 'linear', peer: 'linear' };

/** Every sidecar is sent the whole mesh; measured where its sidecars are few enough for the bytes. */
const SNAPSHOT: ServerKind = { name: 'snapshot', peer: 'snapshot' };

const ours = (name: string, workers: number, log: 'memory' | 'lmdb', { flags, profile }: Forms): ServerKind => ({
  name,
  ours: { workers, log, flags, ...(profile === undefined ? {} : { profile }) },
});

const GRPC_JS = ['--xds-transport', 'grpc-js'];

/** Ours with a log in memory, by workers and transport. */
const FORMS = [
  { label: 'one worker', workers: 1, flags: [] },
  { label: 'two workers', workers: 2, flags: [] },
  { label: 'one worker, grpc-js', workers: 1, flags: GRPC_JS },
  { label: 'two workers, grpc-js', workers: 2, flags: GRPC_JS },
] as const;

const contestants = (mesh: MeshSize, forms: Forms): Contestant[] => [
  { label: 'linear', kind: LINEAR, mesh },
  ...FORMS.map(({ label, workers, flags }) => ({
    label,
    kind: ours(label, workers, 'memory', { ...forms, flags: [...flags, ...forms.flags] }),
    mesh,
  })),
];

type Medians = Readonly<Record<string, Figures>>;

/** One goal for each of our forms that it holds for. */
const each = (
  what: string,
  value: (label: string) => Goal['value'],
  limit: number,
  { workers, atLeast }: { readonly workers?: 1 | 2; readonly atLeast?: true } = {},
): Goal[] =>
  FORMS.filter((form) => workers === undefined || form.workers === workers).map(({ label }) => ({
    what: `${label}: ${what}`,
    value: value(label),
    limit,
    ...(atLeast === undefined ? {} : { atLeast }),
  }));

const ratio =
  (label: string, field: string) =>
  (medians: Medians): number | undefined => {
    const [mine, theirs] = [medians[label]?.[field], medians.linear?.[field]];
    return mine === undefined || theirs === undefined || theirs === 0 ? undefined : mine / theirs;
  };

const plain =
  (label: string, field: string) =>
  (medians: Medians): number | undefined =>
    medians[label]?.[field];

/** Largest over smallest, over the contestants that have the figure. */
const spread =
  (field: string) =>
  (medians: Medians): number | undefined => {
    const values = Object.values(medians).flatMap((figures) => figures[field] ?? []);
    return values.length < 2 ? undefined : Math.max(...values) / Math.min(...values);
  };

const bytesOf = (byType: ByType): number => Object.values(byType).reduce((sum, { bytes }) => sum + bytes, 0);

const propagated = (load: Load, sidecars: number): Figures => {
  const { propagation: found, initial } = load.report;
  if (found === undefined) throw new Error(`only ${initial.synced} sidecars were complete`);
  return {
    p50Ms: found.arrivalMs.p50,
    p99Ms: found.arrivalMs.p99,
    lastP50Ms: found.lastSidecarMs.p50,
    missing: found.missing,
    superseded: found.superseded,
    firstBytesPerSidecar: initial.payloadBytesToSync.p50,
    bytesPerDelivery: bytesOf(found.byType) / found.changes / sidecars,
    cpuUsPerDelivery: (load.cpuS.propagation / found.changes / sidecars) * 1e6,
    cpuMsPerChange: (load.cpuS.propagation / found.changes) * 1e3,
    postP50Ms: found.triggerCallMs.p50,
    firstConfigP50Ms: initial.firstConfigMs.p50,
    firstConfigMaxMs: initial.firstConfigMs.max,
    initialCpuS: load.cpuS.initial,
  };
};

const FAN_OUT_CHANGES = 20;

const propagation = (scale: Scale, forms: Forms): Measurement => {
  const mesh: MeshSize = { services: scale.services, endpoints: 10, sidecars: scale.sidecars, deps: 10 };
  return {
    name: 'propagation',
    title: `one endpoint change to ${scale.sidecars} sidecars, 10 dependencies, ${scale.services} services, ${scale.triggers} changes`,
    contestants: [
      ...contestants(mesh, forms),
      { label: 'snapshot', kind: SNAPSHOT, mesh },
      { label: 'one worker, durable', kind: ours('one worker, durable', 1, 'lmdb', forms), mesh },
      { label: 'one process', kind: ours('one process', 0, 'memory', forms), mesh },
    ],
    flags: ['--triggers', String(scale.triggers), '--trigger-interval', `${scale.intervalMs}ms`],
    figures: ({ load, sidecars }) => propagated(load, sidecars),
    goals: [
      ...each('P50 of linear', (label) => ratio(label, 'p50Ms'), 0.9, { workers: 1 }),
      ...each('last sidecar of linear', (label) => ratio(label, 'lastP50Ms'), 0.9, { workers: 1 }),
      ...each('P99 of linear', (label) => ratio(label, 'p99Ms'), 1, { workers: 1 }),
      ...each('P50 of linear', (label) => ratio(label, 'p50Ms'), 0.8, { workers: 2 }),
      ...each('last sidecar of linear', (label) => ratio(label, 'lastP50Ms'), 0.8, { workers: 2 }),
      ...each('P99 of linear', (label) => ratio(label, 'p99Ms'), 0.8, { workers: 2 }),
      ...each('CPU per change of linear', (label) => ratio(label, 'cpuUsPerDelivery'), 0.65),
      ...each('first configuration P50 of linear', (label) => ratio(label, 'firstConfigP50Ms'), 1.2),
    ],
  };
};

/** Changes to very many streams: does a broadcast keep the event loop from anything else? */
const fanOut = (scale: Scale, forms: Forms): Measurement => {
  const mesh: MeshSize = { services: scale.services, endpoints: 10, sidecars: scale.many, deps: 10 };
  return {
    name: 'fan-out',
    title: `one endpoint change to ${scale.many} sidecars, ${FAN_OUT_CHANGES} changes, 2 s apart`,
    contestants: contestants(mesh, forms),
    flags: [
      ...['--triggers', String(FAN_OUT_CHANGES), '--trigger-interval', '2s'],
      ...['--sync-timeout', '120s', '--trigger-wait', '60s'],
    ],
    lag: true,
    figures: ({ load, server, scrapes, sidecars }) => {
      const { propagation: found } = load.report;
      const to = found?.server.cpuS ?? 0;
      const from = to - (found?.serverCpuSPerChange ?? 0) * (found?.changes ?? 0);
      const lag = lagBetween(load.samples, scrapes, server.serving[0] ?? 0, { from, to });
      return {
        ...propagated(load, sidecars),
        ...(lag === undefined ? {} : { lagP50Ms: lag.p50Ms, lagP99Ms: lag.p99Ms }),
      };
    },
    goals: each('loop lag P99, ms', (label) => plain(label, 'lagP99Ms'), 50),
  };
};

const storm = (scale: Scale, forms: Forms): Measurement => {
  const mesh: MeshSize = { services: scale.services, endpoints: 10, sidecars: scale.sidecars, deps: 10 };
  return {
    name: 'storm',
    title: `${scale.sidecars} sidecars reconnect at once with the versions that they hold`,
    contestants: [...contestants(mesh, forms), { label: 'snapshot', kind: SNAPSHOT, mesh }],
    flags: ['--triggers', '1', '--storms', '1'],
    figures: ({ load, sidecars }) => {
      const found = load.report.storms?.[0];
      if (found === undefined) throw new Error(`only ${load.report.initial.synced} sidecars were complete`);
      const types = Object.values(found.byType);
      const sum = (field: 'bytes' | 'responses' | 'resources'): number =>
        types.reduce((total, type) => total + type[field], 0);
      return {
        resources: sum('resources'),
        bytesPerAnswer: sum('responses') === 0 ? 0 : sum('bytes') / sum('responses'),
        answersPerSidecar: sum('responses') / sidecars,
        allUpMs: found.allStreamsOpenMs,
        lastAnswerMs: found.lastResponseMs.max,
        answered: found.answered,
        stormCpuS: load.cpuS.storm,
        probeP50Ms: found.probe?.arrivalMs.p50 ?? 0,
        probeMissing: found.probe?.missing ?? sidecars,
        firstConfigP50Ms: load.report.initial.firstConfigMs.p50,
      };
    },
    goals: [
      ...each('resources sent again', (label) => plain(label, 'resources'), 0),
      ...each('bytes of an empty answer', (label) => plain(label, 'bytesPerAnswer'), 100),
      ...each('all up of linear', (label) => ratio(label, 'allUpMs'), 1.5),
    ],
  };
};

const rate = (scale: Scale, forms: Forms): Measurement => {
  const mesh: MeshSize = { services: scale.services, endpoints: 10, sidecars: scale.sidecars, deps: 10 };
  return {
    name: 'rate',
    title: `${scale.fastTriggers} changes one after the other, each as soon as the one before is accepted, to ${scale.sidecars} sidecars`,
    contestants: contestants(mesh, forms),
    flags: ['--triggers', String(scale.fastTriggers), '--trigger-interval', '0s', '--trigger-wait', '60s'],
    figures: ({ load }) => {
      const found = load.report.propagation;
      if (found === undefined) throw new Error(`only ${load.report.initial.synced} sidecars were complete`);
      const seconds = found.arrivalMs.n / (found.deliveriesPerSecond ?? Number.NaN);
      return {
        changesPerSecond: found.changes / seconds,
        acceptedPerSecond: found.changesPerSecondSent,
        deliveriesPerSecond: found.deliveriesPerSecond ?? 0,
        supersededShare: found.superseded / (found.changes * found.interested),
        missing: found.missing,
        p50Ms: found.arrivalMs.p50,
        cpuS: load.cpuS.propagation,
      };
    },
    goals: each('changes per second of linear', (label) => ratio(label, 'changesPerSecond'), 1.5, { atLeast: true }),
  };
};

const meshSize = (scale: Scale, forms: Forms): Measurement => ({
  name: 'mesh-size',
  title: `the same change to ${scale.sidecars} sidecars in meshes of ${scale.serviceSteps.join(', ')} services`,
  contestants: scale.serviceSteps.map((services) => ({
    label: `${services} services`,
    kind: ours('one worker', 1, 'memory', forms),
    mesh: { services, endpoints: 10, sidecars: scale.sidecars, deps: 10 },
  })),
  flags: ['--triggers', String(Math.ceil(scale.triggers * 0.6)), '--trigger-interval', `${scale.intervalMs}ms`],
  figures: ({ load, sidecars }) => propagated(load, sidecars),
  goals: [
    { what: 'CPU, largest over smallest', value: spread('cpuUsPerDelivery'), limit: 1.15 },
    { what: 'P50, largest over smallest', value: spread('p50Ms'), limit: 1.3 },
  ],
});

const memory = (scale: Scale, forms: Forms): Measurement => {
  const mesh: MeshSize = { services: scale.services, endpoints: 10, sidecars: scale.many, deps: 10 };
  return {
    name: 'memory',
    title: `${scale.many} connections, 10 dependencies each: RssAnon of the serving processes`,
    contestants: contestants(mesh, forms),
    flags: ['--soak', `${scale.soakS}s`, '--sync-timeout', '120s'],
    memory: true,
    figures: ({ load, server, sidecars }) => ({
      kbPerConnection: rssPerConnection(load.samples, server.serving, sidecars) ?? Number.NaN,
      synced: load.report.initial.synced,
      firstConfigP50Ms: load.report.initial.firstConfigMs.p50,
      allSyncedMs: load.report.initial.allSyncedMs,
      cpuS: cpuInAll(load.samples),
    }),
    goals: each('KB per connection', (label) => plain(label, 'kbPerConnection'), 45),
  };
};

/** As large as the `extensions` of a real Envoy's first message, in a field that the load tool can fill and that costs us more. */
const paddedMetadata = (bytes: number): string => {
  const extensions = [];
  for (let at = 0, size = 0; size < bytes; at++) {
    const name = `envoy.filters.http.some_extension_with_a_long_name_${at}`;
    const extension = { name, category: 'envoy.filters.http', typeUrls: [`envoy.extensions.filters.http.v3.${at}`] };
    extensions.push(extension);
    size += JSON.stringify(extension).length;
  }
  return JSON.stringify({ NAMESPACE: '{{.NS}}', EXTENSIONS: extensions });
};

const ENVOY_FIRST_MESSAGE = 61_000;

const padded = (scale: Scale, forms: Forms): Measurement => {
  const mesh: MeshSize = { services: scale.services, endpoints: 10, sidecars: scale.many, deps: 10 };
  return {
    name: 'padded-storm',
    title: `${scale.many} sidecars reconnect, first message padded to ${ENVOY_FIRST_MESSAGE} bytes`,
    contestants: contestants(mesh, forms),
    flags: [
      ...['--metadata', paddedMetadata(ENVOY_FIRST_MESSAGE), '--triggers', '1', '--storms', '1'],
      ...['--sync-timeout', '120s', '--trigger-wait', '60s'],
    ],
    lag: true,
    figures: ({ load, server, scrapes }) => {
      const found = load.report.storms?.[0];
      if (found === undefined) throw new Error(`only ${load.report.initial.synced} sidecars were complete`);
      const lag = lagBetween(load.samples, scrapes, server.serving[0] ?? 0, {
        from: found.server.cpuS - found.serverCpuS,
        to: found.server.cpuS,
      });
      return {
        allUpMs: found.allStreamsOpenMs,
        // Who holds all versions gets no answer: the streams are open, and the probe behind shows that nobody is missing.
        subscribedMs: Math.max(found.allStreamsOpenMs, found.lastResponseMs.max),
        answered: found.answered,
        stormCpuS: load.cpuS.storm,
        probeMissing: found.probe?.missing ?? Number.NaN,
        ...(lag === undefined ? {} : { lagP50Ms: lag.p50Ms, lagP99Ms: lag.p99Ms }),
      };
    },
    goals: [
      ...each('all subscribed, ms', (label) => plain(label, 'subscribedMs'), 15_000),
      ...each('loop lag P99, ms', (label) => plain(label, 'lagP99Ms'), 100),
    ],
  };
};

export const measurements = (scale: Scale, forms: Forms): readonly Measurement[] =>
  [propagation, fanOut, storm, rate, meshSize, memory, padded].map((make) => make(scale, forms));
