/**
 * Configuration of `tendril serve`: flags win over `TENDRIL_*`, those over `--config FILE`, those over the defaults
 * (contracts, "Process"). Every problem is found before anything is opened.
 */
import type { ServerLimits, TransportName } from '../delta-xds/index.ts';
import { type Finding, isDnsLabel, isObject, parseKafkaAddress, TendrilError } from '../model/basics.ts';
import type { RetentionPolicy } from '../projector/index.ts';
import { KAFKA_OPTION_SPECS, type KafkaOptions, kafkaOptionsOf } from './kafka-options.ts';
import { isReplicaId } from './replicas/replica-id.ts';
import { parseRetention } from './retention-config.ts';
import { parseXdsLimits } from './xds-limits.ts';

/** Bytes of the disk that stay free where nothing else is said. */
export const DEFAULT_RESERVE = 256 * 2 ** 20;

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface ServeConfig {
  /** Data directory: holds `log/`, `state/`, `ledger/`. */
  readonly data: string;
  readonly xds: HostPort;
  readonly admin: HostPort;
  /** Directory of documents to load and watch. */
  readonly dir: string | undefined;
  /** `lmdb`, `memory` or `kafka://HOST:PORT,…/TOPIC`. */
  readonly log: string;
  /** With a log on Kafka. */
  readonly kafka?: KafkaOptions | undefined;
  /** xDS worker processes; 0: everything in this process. */
  readonly workers: number;
  readonly mesh: string;
  readonly suffixes: readonly string[];
  /** Write a changed `suffixes` to the log instead of refusing it. */
  readonly reconfigure: boolean;
  readonly insecureBind: boolean;
  readonly logLevel: string;
  /** Free space to keep, bytes; undefined: the disk guard's default. */
  readonly diskReserve: number | undefined;
  /** Name of this replica; undefined: made once and kept beside the data. */
  readonly replica: string | undefined;
  /** Where other replicas reach the HTTP API; undefined: where it listens. */
  readonly advertise: HostPort | undefined;
  /** Days that entries of the audit are kept. */
  readonly auditDays: number;
  /** Hours between two passes of the scrub; 0: none by itself. */
  readonly scrubHours: number;
  /** What carries the xDS streams. */
  readonly xdsTransport: TransportName;
  /** What is kept of log and history; undefined: all. */
  readonly retain: RetentionPolicy | undefined;
  /** Bounds of the xDS port that are not at their default (docs/limits.md). */
  readonly xdsLimits: Partial<ServerLimits>;
}

/** One option of `serve`: its flag, and from the flag its variable (`--mesh-suffixes` -> `TENDRIL_MESH_SUFFIXES`). */
interface OptionSpec {
  readonly flag: string;
  readonly type: 'string' | 'boolean';
  readonly value: string;
  readonly help: string;
}

export const SERVE_OPTIONS: readonly OptionSpec[] = [
  { flag: 'data', type: 'string', value: 'DIR', help: 'data directory (default ./tendril-data)' },
  { flag: 'xds', type: 'string', value: 'HOST:PORT', help: 'xDS address (default 127.0.0.1:18000)' },
  { flag: 'admin', type: 'string', value: 'HOST:PORT', help: 'HTTP API address (default 127.0.0.1:18001)' },
  { flag: 'dir', type: 'string', value: 'DIR', help: 'documents (YAML) to load and watch' },
  {
    flag: 'log',
    type: 'string',
    value: 'lmdb|memory|kafka://…',
    help: 'event log (default lmdb; memory: gone at exit; kafka://HOST:PORT/TOPIC)',
  },
  { flag: 'workers', type: 'string', value: 'N', help: 'xDS worker processes (default 1; 0: one process)' },
  { flag: 'mesh', type: 'string', value: 'NAME', help: 'name of the mesh (default "default")' },
  {
    flag: 'mesh-suffixes',
    type: 'string',
    value: 'LIST',
    help: 'host suffixes (default .mesh.local,.svc.cluster.local)',
  },
  { flag: 'reconfigure', type: 'boolean', value: '', help: 'accept other suffixes than the log holds' },
  { flag: 'config', type: 'string', value: 'FILE', help: 'YAML or JSON file with these options as keys' },
  { flag: 'insecure-bind', type: 'boolean', value: '', help: 'allow an address that is not loopback' },
  { flag: 'log-level', type: 'string', value: 'LEVEL', help: 'trace|debug|info|warn|error (default info)' },
  { flag: 'disk-reserve', type: 'string', value: 'BYTES', help: 'free disk space to keep (default 256 MB)' },
  {
    flag: 'replica',
    type: 'string',
    value: 'NAME',
    help: 'name of this replica (default: made once, kept with the data)',
  },
  {
    flag: 'advertise',
    type: 'string',
    value: 'HOST:PORT',
    help: 'HTTP API address for other replicas (default --admin)',
  },
  { flag: 'audit-days', type: 'string', value: 'N', help: 'days that the audit is kept (default 90)' },
  {
    flag: 'scrub-hours',
    type: 'string',
    value: 'N',
    help: 'hours between two scrubs of the data (default 24; 0: none)',
  },
  {
    flag: 'retain',
    type: 'string',
    value: 'DURATION|all',
    help: 'events younger than this are kept, up to twice as many (default all)',
  },
  {
    flag: 'retain-events',
    type: 'string',
    value: 'N',
    help: 'last events that are kept (with --retain: whichever is more)',
  },
  { flag: 'xds-transport', type: 'string', value: 'http2|grpc-js', help: 'HTTP/2 of the xDS port (default http2)' },
  { flag: 'xds-limits', type: 'string', value: 'NAME=N,…', help: 'bounds of the xDS port (docs/limits.md)' },
  ...KAFKA_OPTION_SPECS,
];

const DEFAULTS: Readonly<Record<string, string>> = {
  data: './tendril-data',
  xds: '127.0.0.1:18000',
  admin: '127.0.0.1:18001',
  log: 'lmdb',
  workers: '1',
  mesh: 'default',
  'mesh-suffixes': '.mesh.local,.svc.cluster.local',
  'log-level': 'info',
  'audit-days': '90',
  'scrub-hours': '24',
  'xds-transport': 'http2',
};

const variableOf = (flag: string): string => `TENDRIL_${flag.replaceAll('-', '_').toUpperCase()}`;

/** Splits `HOST:PORT` (IPv6 in brackets). Port 0 asks for any free port. */
export const parseHostPort = (text: string): HostPort | undefined => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65535 ? undefined : { host, port };
};

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(?:\.[0-9]{1,3}){3}$/.test(host);

/** Retention needs a log that stays. */
const retentionOf = (values: ReadonlyMap<string, string>, findings: Finding[]): RetentionPolicy | undefined => {
  const { policy, problems } = parseRetention(values.get('retain'), values.get('retain-events'));
  for (const { flag, value, allowed } of problems) findings.push(configError(flag, value, allowed));
  if (policy !== undefined && values.get('log') === 'memory')
    findings.push(configError('log', 'memory', 'lmdb, when --retain or --retain-events says how much is kept'));
  return policy;
};

const configError = (option: string, value: string, allowed: string, code = 'CONFIG_INVALID'): Finding => ({
  code,
  severity: 'error',
  message: `--${option} is "${value}"; allowed: ${allowed}`,
  hint: `tendril serve --help`,
});

export interface ConfigSources {
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Parsed content of `--config`; keys as the flags. */
  readonly file?: Readonly<Record<string, unknown>>;
}

/** A list in the file may be a list, a map (`NAME: VALUE`), or a single value. */
const listOf = (value: unknown): readonly unknown[] => {
  if (Array.isArray(value)) return value;
  return isObject(value) ? Object.entries(value).map(([name, one]) => `${name}=${String(one)}`) : [value];
};

/** Joins the sources. Throws `TendrilError` `CONFIG_INVALID` with one finding per problem. */
export const resolveConfig = (sources: ConfigSources): ServeConfig => {
  const findings: Finding[] = [];
  const known = new Set(SERVE_OPTIONS.map((option) => option.flag));
  for (const key of Object.keys(sources.file ?? {})) {
    if (!known.has(key) || key === 'config')
      findings.push({
        code: 'CONFIG_INVALID',
        severity: 'error',
        message: `unknown key "${key}" in the configuration file; allowed: ${[...known].filter((k) => k !== 'config').join(', ')}`,
        hint: 'tendril serve --help',
      });
  }
  const values = new Map<string, string>();
  for (const { flag } of SERVE_OPTIONS) {
    // An empty variable counts as none.
    const variable = sources.env[variableOf(flag)] || undefined;
    const value = sources.flags[flag] ?? variable ?? sources.file?.[flag] ?? DEFAULTS[flag];
    if (value === undefined) continue;
    const list = listOf(value);
    if (list.every((item) => ['string', 'number', 'boolean'].includes(typeof item))) values.set(flag, list.join(','));
    else findings.push(configError(flag, JSON.stringify(value), 'a text, a number, or a list of texts'));
  }
  const text = (flag: string): string => values.get(flag) ?? '';
  const flagged = (flag: string): boolean => {
    const value = text(flag);
    if (!['', 'true', 'false', '1', '0'].includes(value)) findings.push(configError(flag, value, 'true, false'));
    return value === 'true' || value === '1';
  };
  const insecureBind = flagged('insecure-bind');
  const address = (flag: string): HostPort => {
    const value = text(flag);
    const parsed = parseHostPort(value);
    if (parsed === undefined) {
      findings.push(configError(flag, value, 'HOST:PORT, for example 127.0.0.1:18000'));
      return { host: '127.0.0.1', port: 0 };
    }
    if (!isLoopback(parsed.host) && !insecureBind)
      findings.push({
        code: 'BIND_REFUSED',
        severity: 'error',
        message: `--${flag} ${value} is not a loopback address, and this version has no TLS and no authentication`,
        hint: 'bind to 127.0.0.1, or accept the risk with --insecure-bind',
      });
    return parsed;
  };
  const log = text('log');
  const isKafka = log.startsWith('kafka:');
  if (isKafka ? parseKafkaAddress(log) === undefined : log !== 'lmdb' && log !== 'memory')
    findings.push(configError('log', log, 'lmdb, memory, kafka://HOST:PORT,HOST:PORT/TOPIC'));
  const kafka = kafkaOptionsOf(isKafka, {
    text,
    flagged,
    problem: (flag, value, allowed) => findings.push(configError(flag, value, allowed)),
  });
  const workers = Number(text('workers'));
  if (!/^[0-9]{1,2}$/.test(text('workers')) || workers > 64)
    findings.push(configError('workers', text('workers'), 'a whole number from 0 to 64'));
  // The directory is made private: never by accident the one we stand in.
  if (text('data').trim() === '') findings.push(configError('data', text('data'), 'a directory'));
  const mesh = text('mesh');
  if (!isDnsLabel(mesh)) findings.push(configError('mesh', mesh, 'a DNS label: a-z, 0-9, -, at most 63'));
  const suffixes = text('mesh-suffixes')
    .split(',')
    .map((suffix) => suffix.trim().toLowerCase())
    .filter((suffix) => suffix !== '');
  for (const suffix of suffixes)
    if (!/^(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/.test(suffix) || suffix.length > 250)
      findings.push(configError('mesh-suffixes', suffix, 'suffixes such as .mesh.local, separated by commas'));
  if (suffixes.length > 16) findings.push(configError('mesh-suffixes', text('mesh-suffixes'), 'at most 16 suffixes'));
  const level = text('log-level');
  if (!['trace', 'debug', 'info', 'warn', 'error', 'silent'].includes(level))
    findings.push(configError('log-level', level, 'trace, debug, info, warn, error, silent'));
  const reserve = values.get('disk-reserve');
  if (reserve !== undefined && !/^[0-9]{1,15}$/.test(reserve))
    findings.push(configError('disk-reserve', reserve, 'a number of bytes'));
  const replica = values.get('replica');
  if (replica !== undefined && !isReplicaId(replica))
    findings.push(configError('replica', replica, 'a-z, 0-9, - and ., at most 128 characters'));
  const advertised = values.get('advertise');
  const advertise = advertised === undefined ? undefined : parseHostPort(advertised);
  if (advertised !== undefined && (advertise === undefined || advertise.port === 0))
    findings.push(configError('advertise', advertised, 'HOST:PORT, for example 127.0.0.1:18001'));
  const days = text('audit-days');
  if (!/^[0-9]{1,5}$/.test(days) || Number(days) < 1)
    findings.push(configError('audit-days', days, 'a whole number of days from 1'));
  const hours = text('scrub-hours');
  if (!/^[0-9]{1,4}(\.[0-9]{1,3})?$/.test(hours))
    findings.push(configError('scrub-hours', hours, 'a number of hours from 0 (no scrub) to 9999'));
  const retain = retentionOf(values, findings);
  const transport = text('xds-transport');
  if (transport !== 'grpc-js' && transport !== 'http2')
    findings.push(configError('xds-transport', transport, 'http2, grpc-js'));
  const { limits, problems } = parseXdsLimits(text('xds-limits'));
  for (const { value, allowed } of problems) findings.push(configError('xds-limits', value, allowed));
  const config: ServeConfig = {
    data: text('data'),
    xds: address('xds'),
    admin: address('admin'),
    dir: text('dir') || undefined,
    log,
    kafka,
    workers,
    mesh,
    suffixes,
    reconfigure: flagged('reconfigure'),
    insecureBind,
    logLevel: level,
    diskReserve: reserve === undefined ? undefined : Number(reserve),
    replica,
    advertise,
    auditDays: Number(days),
    scrubHours: Number(hours),
    retain,
    xdsTransport: transport === 'grpc-js' ? 'grpc-js' : 'http2',
    xdsLimits: limits,
  };
  const [first] = findings;
  if (first !== undefined)
    throw new TendrilError(first.code, findings.map((finding) => finding.message).join('\n'), {
      findings,
      ...(first.hint === undefined ? {} : { remedy: first.hint }),
    });
  return config;
};
