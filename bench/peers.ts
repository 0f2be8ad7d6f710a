/**
 * Ours against go-control-plane's linear and snapshot caches with the tools of `peerbench`: same load, same mesh, in turn, medians of the rounds.
 *
 * `npm run bench -- peers [--only NAME[,NAME]] [--rounds 3] [--peerbench DIR] [--contestants LABEL[;LABEL]]
 * [--serve-flags 'FLAGS OF OURS'] [--profile DIR] [--quick]`. Only runs when named: it takes the better part of an hour. Without Go, or
 * without the sources of the tools, nothing is measured and that is said; figures of earlier runs stay.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NotMeasured } from './not-measured.ts';
import { runLoad } from './peers/load.ts';
import { LagScraper } from './peers/loop-lag.ts';
import { type Contestant, type Figures, FULL, type Measurement, measurements, QUICK } from './peers/measurements.ts';
import { summarise } from './peers/profile.ts';
import { type PeerRecord, tableOf } from './peers/report.ts';
import { startPeer } from './peers/servers.ts';
import { findTools, meshFile, type PeerTools } from './peers/tools.ts';
import { round } from './spread.ts';

export interface PeersOptions {
  readonly only?: string;
  readonly rounds?: string | number;
  /** Folder of the Go sources. */
  readonly peerbench?: string;
  /** Labels of contestants to run; default all. */
  readonly contestants?: string;
  /** More flags of `tendril serve`, separated by blanks. */
  readonly 'serve-flags'?: string;
  /** Writes CPU profiles of all our processes there and prints their top ten. */
  readonly profile?: string;
  readonly quick?: boolean;
}

const ROUNDS = 3;
const say = (text: string): void => void process.stderr.write(`${text}\n`);

const above = (folder: string): string => (existsSync(join(folder, 'package.json')) ? folder : above(dirname(folder)));
const root = above(dirname(fileURLToPath(import.meta.url)));
const results = join(root, 'bench', 'results');

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
};

const mediansOf = (runs: readonly Figures[]): Figures => {
  const names = new Set(runs.flatMap((figures) => Object.keys(figures)));
  return Object.fromEntries(
    [...names].map((name) => [name, round(median(runs.flatMap((figures) => figures[name] ?? [])))]),
  );
};

const runOnce = async (tools: PeerTools, measurement: Measurement, { kind, mesh }: Contestant): Promise<Figures> => {
  const file = meshFile(tools, mesh);
  const server = await startPeer(kind, tools, file);
  try {
    const scraper = measurement.lag ? new LagScraper(server) : undefined;
    const load = await runLoad(tools, server, {
      sidecars: mesh.sidecars,
      mesh: file,
      flags: measurement.flags,
      withFiles: measurement.memory ?? false,
    });
    const scrapes = (await scraper?.stop()) ?? [];
    const { errors, firstError } = load.report;
    if (errors > 0) say(`    ${errors} errors, first: ${firstError ?? ''}`);
    const figures = measurement.figures({ load, server, scrapes, sidecars: mesh.sidecars });
    return { ...figures, clientCpuS: load.report.clientCpuS, loadAverage: (load.load[0] + load.load[1]) / 2 };
  } finally {
    await server.stop();
  }
};

/** Connections that one process may hold, by its limit of open files. */
const openFiles = (): number =>
  Number(
    /Max open files\s+\d+\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Number.POSITIVE_INFINITY,
  );

const SPARE_FILES = 500;

const compare = async (
  tools: PeerTools,
  measurement: Measurement,
  { rounds, labels }: { readonly rounds: number; readonly labels: readonly string[] | undefined },
): Promise<PeerRecord> => {
  const contestants = measurement.contestants.filter(({ label }) => labels === undefined || labels.includes(label));
  const most = Math.max(...contestants.map(({ mesh }) => mesh.sidecars));
  if (openFiles() < most + SPARE_FILES)
    return {
      title: measurement.title,
      skipped: `needs ${most + SPARE_FILES} open files, allowed are ${openFiles()}: ulimit -Hn`,
      medians: {},
      goals: [],
    };
  const runs = new Map<string, Figures[]>(contestants.map(({ label }) => [label, []]));
  const failures: string[] = [];
  for (let at = 0; at < rounds; at++)
    for (const contestant of contestants) {
      const { label } = contestant;
      try {
        const figures = await runOnce(tools, measurement, contestant);
        runs.get(label)?.push(figures);
        say(`  ${measurement.name} round ${at + 1}, ${label}: ${JSON.stringify(mediansOf([figures]))}`);
      } catch (error) {
        failures.push(`${label}: ${String(error)}`);
        say(`  ${measurement.name} round ${at + 1}, ${label} FAILED: ${String(error)}`);
      }
    }
  const medians = Object.fromEntries([...runs].map(([label, figures]) => [label, mediansOf(figures)]));
  return {
    title: measurement.title,
    rounds,
    at: new Date().toISOString(),
    loadAverage: round(loadavg()[1] ?? 0),
    medians,
    goals: measurement.goals.map(({ what, value, limit, atLeast = false }) => {
      const measured = value(medians);
      const met = measured !== undefined && (atLeast ? measured >= limit : measured <= limit);
      return {
        what,
        asked: `${atLeast ? '>=' : '<='} ${limit}`,
        ...(measured === undefined ? {} : { measured: round(measured) }),
        met,
      };
    }),
    ...(failures.length === 0 ? {} : { failures }),
  };
};

export const run = async (options: PeersOptions = {}): Promise<Readonly<Record<string, PeerRecord>> | NotMeasured> => {
  const quick = options.quick ?? false;
  const tools = findTools(root, options.peerbench ?? process.env.TENDRIL_PEERBENCH ?? '../shared/peerbench');
  if (typeof tools === 'string') return { notMeasured: tools };
  const profile = options.profile === undefined ? undefined : resolve(root, options.profile);
  if (profile !== undefined) mkdirSync(profile, { recursive: true });
  const all = measurements(quick ? QUICK : FULL, {
    flags: options['serve-flags']?.split(' ').filter((flag) => flag !== '') ?? [],
    ...(profile === undefined ? {} : { profile }),
  });
  const only = options.only?.split(',');
  for (const name of only ?? [])
    if (!all.some((measurement) => measurement.name === name))
      throw new Error(
        `no such measurement: ${name}; there are ${all.map((measurement) => measurement.name).join(', ')}`,
      );
  const file = join(results, 'peers.json');
  const known = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as { figures: Record<string, PeerRecord> | NotMeasured }).figures
    : {};
  const records: Record<string, PeerRecord> =
    quick || 'notMeasured' in known ? {} : (known as Record<string, PeerRecord>);
  for (const measurement of all.filter(({ name }) => only === undefined || only.includes(name))) {
    say(`${measurement.name}: ${measurement.title}`);
    const rounds = Number(options.rounds ?? (quick ? 1 : ROUNDS));
    records[measurement.name] = await compare(tools, measurement, { rounds, labels: options.contestants?.split(';') });
  }
  if (profile !== undefined) say(summarise(profile));
  else if (!quick) writeTable(records);
  return records;
};

const BEGIN = '<!-- figures: written by the bench -->';
const END = '<!-- end of figures -->';

/** The table stands between two marks; what people wrote around it stays. */
const writeTable = (records: Readonly<Record<string, PeerRecord>>): void => {
  const file = join(results, 'peers.md');
  const before = existsSync(file) ? readFileSync(file, 'utf8') : `# Against go-control-plane\n\n${BEGIN}\n${END}\n`;
  const [head = '', rest = ''] = before.split(BEGIN);
  const tail = rest.split(END)[1] ?? '\n';
  writeFileSync(file, `${head}${BEGIN}\n${tableOf(records)}\n${END}${tail}`);
};
