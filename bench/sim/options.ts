/** Options of a simulation: defaults of the profile, flags over them, and what cannot be, said before anything starts. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { nearestWord, parseDuration, TendrilError } from '../../src/model/index.ts';
import { MOST_CHANGES } from './mesh.ts';
import { BASE, FULL_MESH_SIDECARS, PROFILES, type Profile } from './profiles.ts';
import type { SimOptions } from './result.ts';

const usage = (message: string, remedy = 'tendril bench --help'): TendrilError =>
  new TendrilError('USAGE', `bench sim: ${message}`, { remedy });

/** Flag -> option, lowest, highest. */
const NUMBERS = {
  sidecars: ['sidecars', 1, 100_000],
  services: ['services', 1, 100_000],
  endpoints: ['endpoints', 1, 3_000],
  deps: ['deps', 1, 10_000],
  churn: ['churn', 0, 10_000],
  hot: ['hot', 0, 100],
  duration: ['durationS', 1, 86_400],
  settle: ['settleS', 0, 3_600],
  seed: ['seed', 0, 2 ** 31],
  workers: ['workers', 0, 64],
  clients: ['clients', 1, 64],
  'per-conn': ['perConnection', 1, 100],
  probes: ['probes', 0, 100],
} as const satisfies Readonly<Record<string, readonly [keyof SimOptions, number, number]>>;

const FLAGS = [...Object.keys(NUMBERS), 'profile', 'mode', 'log', 'out', 'runs'];
const MOST_RUNS = 20;

/** Files that a process needs besides its connections: most of them while it loads its code, many at a time. */
const OTHER_FILES = 300;

export interface Asked {
  readonly options: SimOptions;
  readonly profile: Profile;
  readonly out: string | undefined;
  /** The same thing so many times. */
  readonly runs: number;
}

/** `90s`, `5m`; undefined: it has no unit. */
const secondsOf = (text: string): number | undefined => {
  const ms = parseDuration(text);
  return ms === undefined ? undefined : ms / 1_000;
};

/** Throws `USAGE` for what is not known, no number, out of bounds, or does not go together. */
export const optionsOf = (argv: readonly string[]): Asked => {
  const unknown = argv
    .map((word) => /^--([^=]+)/.exec(word)?.[1])
    .find((name) => name !== undefined && !FLAGS.includes(name));
  if (unknown !== undefined) {
    const meant = nearestWord(unknown, FLAGS);
    throw usage(`unknown option --${unknown}${meant === undefined ? '' : ` (did you mean --${meant}?)`}`);
  }
  let values: Readonly<Record<string, unknown>>;
  try {
    const options = Object.fromEntries(FLAGS.map((name) => [name, { type: 'string' as const }]));
    values = parseArgs({ args: [...argv], options, strict: true }).values;
  } catch (error) {
    const said = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw usage(`${said.replace(/\.$/, '')}; a value that begins with a dash is written --option=VALUE`);
  }
  const word = (name: string): string | undefined => values[name] as string | undefined;
  const name = word('profile') ?? 'default';
  const profile = PROFILES.find((candidate) => candidate.name === name);
  if (profile === undefined)
    throw usage(
      `--profile is "${name}"; there are ${PROFILES.map((candidate) => candidate.name).join(', ')}`,
      'tendril bench sim --profile list',
    );
  const mode = word('mode') ?? 'on-demand';
  if (mode !== 'on-demand' && mode !== 'full-mesh') throw usage(`--mode is "${mode}"; allowed: on-demand, full-mesh`);
  const log = word('log') ?? profile.defaults.log ?? BASE.log;
  if (log !== 'lmdb' && log !== 'memory') throw usage(`--log is "${log}"; allowed: lmdb, memory`);
  const full = mode === 'full-mesh' ? { sidecars: FULL_MESH_SIDECARS } : {};
  const numbers: Record<string, number> = {};
  for (const [flag, [option, min, max]] of Object.entries(NUMBERS)) {
    const given = word(flag);
    if (given === undefined) continue;
    const isTime = option === 'durationS' || option === 'settleS';
    const number = (isTime ? secondsOf(given) : undefined) ?? Number(given);
    if (given.trim() === '' || !Number.isInteger(number) || number < min || number > max)
      throw usage(
        `--${flag} is "${given}"; allowed: a whole number ${isTime ? 'of seconds ' : ''}from ${min} to ${max}${isTime ? ', or 30s, 5m, 1h' : ''}`,
      );
    numbers[option] = number;
  }
  const options: SimOptions = { ...BASE, ...profile.defaults, ...full, ...numbers, log, mode, profile: name };
  check(options, profile);
  const runs = word('runs') ?? '1';
  if (!/^\d+$/.test(runs) || Number(runs) < 1 || Number(runs) > MOST_RUNS)
    throw usage(`--runs is "${runs}"; allowed: a whole number from 1 to ${MOST_RUNS}`);
  return { options, profile, out: word('out'), runs: Number(runs) };
};

const check = (options: SimOptions, { shape, fault }: Profile): void => {
  const { services, deps, churn, hot, durationS, log } = options;
  if (shape === 'boutique' && (services !== 12 || hot > 0))
    throw usage(
      'boutique has its 12 services, and none that all hold',
      'leave out --services and --hot, or take another profile',
    );
  if (deps > services)
    throw usage(
      `--deps ${deps} is more than --services ${services}`,
      `--deps ${services} or fewer, or --services ${deps} or more`,
    );
  if ((churn + hot) * durationS > MOST_CHANGES)
    throw usage(
      `${(churn + hot) * durationS} changes have no addresses of their own`,
      'a shorter --duration, or less --churn',
    );
  if (fault === 'reconnect-storm' && log === 'memory')
    throw usage('a control plane on a log in memory has nothing after kill -9', '--log lmdb');
};

/** Soft and hard limit on open files of this process, and so of those that it starts. */
const fileLimits = (): { readonly soft: number; readonly hard: number } => {
  const [, soft, hard] =
    /^Max open files\s+(\d+|unlimited)\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  const number = (text: string | undefined): number => (text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text));
  return { soft: number(soft), hard: number(hard) };
};

const PORTS_FILE = '/proc/sys/net/ipv4/ip_local_port_range';

/** Ports that connections from this machine may have: all go from one address to one port, so each needs its own. */
const localPorts = (): number => {
  const [low = 0, high = 0] = readFileSync(PORTS_FILE, 'utf8').trim().split(/\s+/).map(Number);
  return high - low + 1;
};

/** Who of the control plane and the client processes needs most open files, and how many. */
const mostFiles = ({ sidecars, clients, workers, probes, perConnection }: SimOptions): readonly [string, number] => {
  const connections = Math.ceil((sidecars + probes) / perConnection);
  const server = Math.ceil(connections / Math.max(1, workers)) + OTHER_FILES;
  const client = Math.ceil(connections / clients) + OTHER_FILES;
  return server >= client
    ? [workers > 1 ? 'an xDS worker' : 'the control plane', server]
    : ['a client process', client];
};

/**
 * Throws `USAGE` when a process would need more files than it may open, or the machine more local ports than it has: which one, which limit,
 * how to raise it.
 */
export const checkFiles = (options: SimOptions, limits = fileLimits(), ports = localPorts()): void => {
  const { sidecars, perConnection, probes } = options;
  const connections = Math.ceil((sidecars + probes) / perConnection);
  if (connections > ports)
    throw usage(
      `${sidecars} sidecars need ${connections} local ports, and the machine has ${ports} (net.ipv4.ip_local_port_range)`,
      `--per-conn ${Math.ceil((sidecars + probes) / ports)}, which shares connections; or a wider range (sysctl)`,
    );
  const [who, needed] = mostFiles(options);
  if (needed <= limits.soft) return;
  const raise =
    needed <= limits.hard
      ? `ulimit -n ${needed} (the hard limit is ${limits.hard})`
      : `the hard limit is ${limits.hard} too: raise it as root (LimitNOFILE= of systemd, /etc/security/limits.conf)`;
  const [, , most] = NUMBERS['per-conn'];
  const fits = Array.from({ length: most }, (_, index) => index + 1).find(
    (shared) => mostFiles({ ...options, perConnection: shared })[1] <= limits.soft,
  );
  throw usage(
    `${sidecars} sidecars need ${needed} open files in ${who}, ${OTHER_FILES} of them for itself, and the limit (ulimit -n) is ${limits.soft}`,
    fits === undefined ? raise : `${raise}; or --per-conn ${fits}, which shares connections`,
  );
};
