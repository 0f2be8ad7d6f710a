/** What an application says to be registered, and what of it does not fit. */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { formatDuration, isDnsLabel, TendrilError } from '../../model/basics.ts';
import type { Probe } from './probes/index.ts';
import { parseProbe } from './probes/index.ts';
import { DEFAULT_THRESHOLDS, type Thresholds } from './verdict.ts';

export interface HealthOptions {
  /** How the application is probed (docs/agent.md, "Probes"): `http://127.0.0.1:8080/healthz`, `grpc://…`, `tcp://…`, `cmd:…`, or an own `Probe`. */
  readonly probe: string | Probe;
  /** From one probe to the next, ms (default 5,000; from 100). Until the first success at most 500. */
  readonly intervalMs?: number;
  /** A probe without an answer for so long has failed and is cut, ms (default 2,000; from 10). */
  readonly timeoutMs?: number;
  /** Failures in a row until the endpoint is out, successes until it is in (default 3 and 1). */
  readonly thresholds?: Thresholds;
}

export interface RegisterOptions {
  /** URLs of the admin API of the control planes, tried in turn. */
  readonly admin: readonly string[];
  readonly service: string;
  readonly namespace: string;
  /** The port that callers name, which is also that of the application; or, when they differ, service port -> port of the application. */
  readonly port: number | Readonly<Record<string, number>>;
  /** Service port -> port of the application's sidecar, where callers dial that. */
  readonly inbound?: Readonly<Record<string, number>>;
  /** Id of the endpoint, unique in the service (default `<host name>-<port>`). */
  readonly endpoint?: string;
  /** IP address at which callers reach it (default: this machine's address on the way to the control plane). */
  readonly address?: string;
  /** A probe; `reported`: the application calls `report`. Default: ready at once. */
  readonly health?: HealthOptions | 'reported';
  /** Life of the lease, ms (default 30,000; 3,000 to 86,400,000): how long after the last heartbeat the endpoint is dropped. */
  readonly leaseMs?: number;
  /** Random name of this process as holder of the lease. Default: made. */
  readonly holder?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly region?: string;
  readonly zone?: string;
  readonly weight?: number;
  readonly serviceAccount?: string;
  /** Monotonic, ms. */
  readonly clock?: () => number;
  readonly random?: () => number;
}

/** Options with everything said. */
export interface FullOptions {
  readonly admin: readonly string[];
  readonly service: string;
  readonly namespace: string;
  readonly endpoint: string;
  readonly address: string | undefined;
  readonly leaseMs: number;
  readonly servicePorts: readonly number[];
  readonly probe: (Required<Omit<HealthOptions, 'probe'>> & { readonly probe: Probe }) | undefined;
  readonly isReported: boolean;
  /** Of the body of the registration, without address and health. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const LEASE_MS = { default: 30_000, min: 3_000, max: 86_400_000 };
const INTERVAL_MS = 5_000;
const TIMEOUT_MS = 2_000;

const bad = (message: string, remedy: string): TendrilError =>
  new TendrilError('REGISTER_OPTIONS', message, { remedy });

const within = (name: string, ms: number, min: number, max: number): number => {
  if (Number.isFinite(ms) && ms >= min && ms <= max) return ms;
  const said = Number.isFinite(ms) && ms >= 0 ? formatDuration(ms) : String(ms);
  const allowed = `${formatDuration(min)} to ${formatDuration(max)}`;
  throw bad(`${name} is ${said}; allowed: ${allowed}`, `take a time from ${allowed}`);
};

/** The control plane reads durations of whole milliseconds. */
const wholeMs = (ms: number): number => {
  if (!Number.isInteger(ms)) throw bad(`lease is ${ms} ms`, 'take whole milliseconds');
  return ms;
};

/** Times of a probe, filled in. Throws `REGISTER_OPTIONS`. */
export const probeTimes = ({
  intervalMs = INTERVAL_MS,
  timeoutMs = TIMEOUT_MS,
}: {
  readonly intervalMs?: number | undefined;
  readonly timeoutMs?: number | undefined;
}): { readonly intervalMs: number; readonly timeoutMs: number } => ({
  intervalMs: within('the interval of a probe', intervalMs, 100, 3_600_000),
  timeoutMs: within('the time-out of a probe', timeoutMs, 10, 600_000),
});

const portsOf = (name: string, ports: Readonly<Record<string, number>>): Readonly<Record<string, number>> => {
  for (const [port, target] of Object.entries(ports))
    for (const each of [Number(port), target])
      if (!Number.isInteger(each) || each < 1 || each > 65_535)
        throw bad(`${name}: ${port}=${target} is not a pair of ports`, 'ports are whole numbers from 1 to 65535');
  return ports;
};

/** Of a host name, what fits into the id of an endpoint. */
const hostId = (): string =>
  hostname()
    .toLowerCase()
    .replaceAll(/[^-a-z0-9.]+/g, '-') || 'host';

/** Throws `REGISTER_OPTIONS`, `PROBE_INVALID`. */
export const fullOptions = (options: RegisterOptions): FullOptions => {
  const { service, namespace, labels, region, zone, weight, serviceAccount, health } = options;
  for (const [name, value] of Object.entries({ service, namespace }))
    if (!isDnsLabel(value))
      throw bad(
        `${name} is "${String(value).slice(0, 80)}", which is not a DNS label`,
        'such as service "cart" in namespace "shop"',
      );
  const { address } = options;
  if (address !== undefined && (isIP(address) === 0 || address.includes('%')))
    throw bad(
      `the address of the endpoint is "${String(address).slice(0, 80)}", which is not an IP address`,
      'name the address at which callers reach it, such as 10.0.0.7, or none for that of this machine',
    );
  const ports = portsOf('port', typeof options.port === 'number' ? { [options.port]: options.port } : options.port);
  const [first] = Object.values(ports);
  if (first === undefined) throw bad('no port is given', 'name the port that callers name, such as port: 8080');
  const inbound = portsOf('inbound', options.inbound ?? {});
  const moved = Object.fromEntries(Object.entries(ports).filter(([port, target]) => Number(port) !== target));
  const probe = typeof health === 'object' ? health : undefined;
  return {
    admin: options.admin,
    service,
    namespace,
    endpoint: options.endpoint ?? `${hostId()}-${first}`,
    address,
    leaseMs: wholeMs(within('lease', options.leaseMs ?? LEASE_MS.default, LEASE_MS.min, LEASE_MS.max)),
    servicePorts: Object.keys(ports).map(Number),
    probe:
      probe === undefined
        ? undefined
        : {
            probe: typeof probe.probe === 'string' ? parseProbe(probe.probe) : probe.probe,
            ...probeTimes(probe),
            thresholds: probe.thresholds ?? DEFAULT_THRESHOLDS,
          },
    isReported: health === 'reported',
    fields: {
      ...(Object.keys(moved).length === 0 ? {} : { ports: moved }),
      ...(Object.keys(inbound).length === 0 ? {} : { inbound }),
      ...(labels === undefined ? {} : { labels }),
      ...(region === undefined && zone === undefined ? {} : { locality: { region: region ?? '', zone: zone ?? '' } }),
      ...(weight === undefined ? {} : { weight }),
      ...(serviceAccount === undefined ? {} : { serviceAccount }),
    },
  };
};
