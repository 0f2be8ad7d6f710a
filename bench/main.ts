/**
 * `npm run bench [-- NAME …] [--quick] [--OPTION VALUE …]`: runs each measurement in a process of its own, one after the other, and
 * writes `bench/results/<name>.json` and the table `bench/results/README.md`, each figure with the command that made it. Options
 * `sim` and `compare` with their options are those of `tendril bench`. Options
 * other than `--quick` are handed to the measurements as they are. `--table` measures nothing and writes the table anew.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isNotMeasured } from './not-measured.ts';

interface Suite {
  readonly name: string;
  /** Options of `run` with `--quick`. */
  readonly quick: Readonly<Record<string, unknown>>;
  /** The figures asked for, as they stand in the issue. */
  readonly goals: readonly string[];
  /** Runs only when named, and writes a table of its own beside the JSON. */
  readonly table?: string;
  /** Runs only when named: it takes minutes, and gigabytes of disk. */
  readonly onlyNamed?: boolean;
}

const SUITES: readonly Suite[] = [
  { name: 'proto-load', quick: {}, goals: ['loading the generated module < 80 ms'] },
  {
    name: 'append',
    quick: { ms: 500 },
    goals: ['batches of 1,000 >= 50,000 events/s', 'one writer waiting P50 <= 3 ms'],
  },
  {
    name: 'kafka',
    quick: { events: 20_000, seconds: 3 },
    goals: ['batched to applied >= 20,000 events/s', 'singles at 1,000/s: produced to applied P50 <= 8 ms'],
  },
  { name: 'fold', quick: { events: 50_000 }, goals: ['fold alone'] },
  { name: 'compile', quick: {}, goals: ['us per unit'] },
  {
    name: 'ingest-to-applied',
    quick: { events: 50_000, seconds: 5 },
    goals: ['sustained 60 s >= 25,000 events/s', 'fold + compile alone >= 60,000 events/s'],
  },
  {
    name: 'start',
    quick: { events: 50_000 },
    goals: ['clean stop <= 3 s', 'kill -9 <= 5 s', 'from an empty state >= 60,000 events/s'],
  },
  {
    name: 'storage',
    quick: { events: 50_000 },
    goals: ["log <= 2 times the events' JSON", 'with history <= 4 times'],
  },
  { name: 'idle-memory', quick: {}, goals: ['RssAnon of the core <= 350 MB'] },
  { name: 'propagation', quick: { events: 100 }, goals: ['P50 <= 5 ms', 'P99 <= 40 ms'] },
  {
    name: 'stalled-reader',
    quick: { changes: 50, services: 500, rounds: 1 },
    goals: ['<= 8 MiB each', 'others: CPU per change +10 % at most, none dropped', 'newest state, not the backlog'],
  },
  { name: 'first-request', quick: { sidecars: 2 }, goals: ['above a warm one P50 <= 6 ms'] },
  {
    name: 'relay',
    quick: { rounds: 2 },
    goals: ['an Envoy restarted without a control plane has its configuration within 2 s'],
  },
  { name: 'held-bytes', quick: { large: 500 }, goals: ['<= 2.5 KB', 'the same at 100 and 5,000 services within 5 %'] },
  { name: 'unknown-host', quick: {}, goals: ['P99 <= 100 ms over 1,000'] },
  {
    name: 'graph',
    quick: { services: 2_000, nodes: 1_000, repeats: 20 },
    goals: [
      'streams of an endpoint change <= 20 us + 0.1 us each',
      'policy for 500 services <= 20 ms',
      '<= 150 bytes per edge end, 1 KB per node',
    ],
  },
  { name: 'pick', quick: { calls: 20_000, rounds: 3 }, goals: ['pick <= 1 us, 10 to 1,000 endpoints'] },
  {
    name: 'leases',
    quick: { leases: 1_000, seconds: 3 },
    goals: ['10,000 leases, a heartbeat each 10 s: CPU of the core'],
  },
  { name: 'session-cost', quick: { changes: 20 }, goals: ['a few us a session and change'] },
  {
    name: 'transport',
    quick: { connections: 300, rounds: 20, repeats: 1, many: 1_000 },
    goals: ['http2 beside grpc-js: server CPU per message, memory per connection'],
  },
  { name: 'large-service', quick: {}, goals: ['P99 <= 100 ms'] },
  {
    name: 'als',
    quick: { entries: 100_000, seconds: 3 },
    goals: [
      'one core keeps up with 20,000 access log entries/s; above it samples',
      'holders of 10,000 streams <= 10 ms',
    ],
  },
  {
    name: 'answers',
    quick: { services: 500, events: 20_000, rounds: 5 },
    goals: [
      'graph with a focus, who, why, in a mesh of 300,000 resources, and at an offset of a log of 1 M events: <= 1 s',
      'at an offset: documents, a service of 100 endpoints, entitled resources, counts, a diff over 1,000 events, history: <= 1 s',
    ],
  },
  {
    name: 'all-services',
    quick: { services: 3_000, changes: 3 },
    goals: ['a node that needs all 20,000 services: delta, reconnect without resource bytes'],
  },
  {
    name: 'cold-start',
    quick: { sidecars: 500, callers: 50 },
    goals: ['10,000 sidecars x 10 services <= 60 s', 'slowest <= 3 x median'],
  },
  {
    name: 'unknown-flood',
    quick: { seconds: 5 },
    goals: ['a million unknown hosts from one sidecar: bounded, limited, counted, others unharmed'],
  },
  {
    name: 'scrub',
    quick: { services: 2_000, rounds: 1, seconds: 4 },
    goals: ['P99 of single writes while the scrub runs beside without it'],
  },
  {
    name: 'alibaba',
    quick: { services: 3_388, endpoints: 93_305 },
    goals: [
      '67,760 services, 1,866,091 endpoints: load >= 40,000 events/s',
      'RssAnon of the core <= 3 GB',
      'longest GC pause <= 100 ms',
      'an endpoint change to the ACK of the last of 50 sidecars P99 <= 50 ms',
      'restart <= 30 s',
    ],
    onlyNamed: true,
  },
  {
    name: 'client-cost',
    quick: { services: 200, rounds: 1 },
    goals: ['sidecar client <= 30 MB RSS above Node', '1,000 services held <= 12 MB'],
  },
  {
    name: 'client-restart',
    quick: { services: 100, restarts: 3 },
    goals: ['control planes down: first pick from the cache on disk <= 200 ms'],
  },
  { name: 'peers', quick: { quick: true }, goals: ['as in the table'], table: 'peers.md' },
];

const here = dirname(fileURLToPath(import.meta.url));
const above = (folder: string): string => (existsSync(join(folder, 'package.json')) ? folder : above(dirname(folder)));
const results = join(above(here), 'bench', 'results');

const runOne = (suite: Suite, quick: boolean, given: Readonly<Record<string, string | number>>): Promise<unknown> =>
  new Promise((done, fail) => {
    const options = { ...(quick ? suite.quick : {}), ...given };
    const child = spawn(
      process.execPath,
      [fileURLToPath(import.meta.url), '--run', suite.name, JSON.stringify(options)],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
    child.once('exit', (status) => {
      const line = output.split('\n').findLast((candidate) => candidate.startsWith('RESULT '));
      if (line === undefined) fail(new Error(`${suite.name} ended with ${status} and no result`));
      else done(JSON.parse(line.slice('RESULT '.length)));
    });
  });

/** `a.b.c = value` lines of the figures, numbers and short texts only. */
const flat = (value: unknown, path = ''): string[] => {
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') return [`${path} ${value}`];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => flat(inner, path === '' ? key : `${path}.${key}`));
};

const machine = (): string =>
  `${cpus().length} x ${cpus()[0]?.model ?? 'cpu'}, ${Math.round(totalmem() / 2 ** 30)} GiB, node ${process.version}, load ${loadavg()[0]?.toFixed(1)} at start`;

/** In the process of one measurement. */
const runHere = async (name: string, options: string): Promise<never> => {
  const { run } = (await import(`./${name}.js`)) as { run: (options: unknown) => Promise<unknown> };
  const figures = await run(JSON.parse(options));
  await new Promise<void>((written) => process.stdout.write(`\nRESULT ${JSON.stringify(figures)}\n`, () => written()));
  process.exit(0);
};

const args = process.argv.slice(2);
if (args[0] === 'sim' || args[0] === 'compare') {
  // As `tendril bench`, which ends the process itself.
  process.argv.splice(2, 0, 'bench');
  await import('../src/cli/main.ts');
  await new Promise(() => undefined);
}
if (args[0] === '--run') await runHere(args[1] ?? '', args[2] ?? '{}');
const quick = args.includes('--quick');
const onlyTable = args.includes('--table');
const wanted: string[] = [];
const given: Record<string, string | number> = {};
for (let at = 0; at < args.length; at++) {
  const arg = args[at] ?? '';
  if (arg === '--quick' || arg === '--table') continue;
  if (!arg.startsWith('--')) wanted.push(arg);
  else {
    const value = args[++at] ?? '';
    given[arg.slice(2)] = /^[0-9]+$/.test(value) ? Number(value) : value;
  }
}
const unknown = wanted.filter((name) => !SUITES.some((suite) => suite.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `no such measurement: ${unknown.join(', ')}; there are ${SUITES.map(({ name }) => name).join(', ')}\n`,
  );
  process.exit(1);
}
mkdirSync(results, { recursive: true });
let failed = 0;
const isWanted = ({ name, table, onlyNamed }: Suite): boolean => {
  if (onlyTable) return false;
  return wanted.length > 0 ? wanted.includes(name) : table === undefined && onlyNamed !== true;
};
for (const suite of SUITES.filter(isWanted)) {
  process.stdout.write(`${suite.name} …\n`);
  try {
    const figures = await runOne(suite, quick, given);
    const options = Object.entries(given).map(([name, value]) => ` --${name} ${value}`);
    const command = `npm run bench -- ${suite.name}${options.join('')}${quick ? ' --quick' : ''}`;
    const record = {
      name: suite.name,
      command,
      at: new Date().toISOString(),
      machine: machine(),
      goals: suite.goals,
      figures,
    };
    // Figures of an earlier run are worth more than the news that something is missing now.
    const isKept = isNotMeasured(figures) && existsSync(join(results, `${suite.name}.json`));
    if (!quick && given.profile === undefined && !isKept)
      writeFileSync(join(results, `${suite.name}.json`), `${JSON.stringify(record, null, 2)}\n`);
    process.stdout.write(
      `${flat(figures)
        .map((line) => `  ${line}`)
        .join('\n')}\n`,
    );
  } catch (error) {
    failed++;
    process.stdout.write(`  FAILED: ${String(error)}\n`);
  }
}
if (!quick) {
  const rows = SUITES.flatMap(({ name, table }) => {
    const file = join(results, `${name}.json`);
    if (!existsSync(file)) return [];
    const record = JSON.parse(readFileSync(file, 'utf8')) as {
      command: string;
      at: string;
      goals: string[];
      figures: unknown;
    };
    const isShort = table === undefined || isNotMeasured(record.figures);
    return [
      `| ${name} | ${record.goals.join('; ')} | ${isShort ? flat(record.figures).join('<br>') : `see [${table}](${table})`} | \`${record.command}\` ${record.at.slice(0, 10)} |`,
    ];
  });
  writeFileSync(
    join(results, 'README.md'),
    `# Figures\n\nMade by \`npm run bench\` on a shared, noisy machine of 2 cores: read them as orders of magnitude, and compare runs of the same hour.\nEach JSON file beside this one names its machine, time and command.\n\n| measurement | asked for | measured | command |\n|---|---|---|---|\n${rows.join('\n')}\n`,
  );
}
process.exitCode = failed > 0 ? 1 : 0;
