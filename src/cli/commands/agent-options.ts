/** The command line of `tendril agent` as options of the agent. */

import { type AgentOptions, DEFAULT_RESTARTS } from '../../agent/index.ts';
import { parseDuration, parseServiceName } from '../../model/basics.ts';
import { type HostPort, parseProbe } from '../../sidecar-client/index.ts';
import { type Arguments, integer, type Options, oneOf, text, usageError } from '../arguments.ts';

export const AGENT_OPTIONS: Options = {
  service: { type: 'string' },
  port: { type: 'string', multiple: true },
  inbound: { type: 'string', multiple: true },
  endpoint: { type: 'string' },
  address: { type: 'string' },
  admin: { type: 'string', multiple: true },
  ready: { type: 'string' },
  live: { type: 'string' },
  interval: { type: 'string' },
  'probe-timeout': { type: 'string' },
  'startup-timeout': { type: 'string' },
  lease: { type: 'string' },
  label: { type: 'string', multiple: true },
  region: { type: 'string' },
  zone: { type: 'string' },
  'service-account': { type: 'string' },
  'drain-timeout': { type: 'string' },
  grace: { type: 'string' },
  'kill-after': { type: 'string' },
  restart: { type: 'string' },
  'restart-limit': { type: 'string' },
  'if-taken': { type: 'string' },
  'listen-xds': { type: 'string' },
  xds: { type: 'string', multiple: true },
  cache: { type: 'string' },
  mesh: { type: 'string' },
  status: { type: 'string' },
  log: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
};

export const AGENT_HELP: readonly string[] = [
  '--service S.NS            the service of the application',
  '--port P[=Q]              a port of the service, and the port of the application where it is another one; repeat it for several',
  '--inbound P=Q             callers dial port Q (of its sidecar) for port P of the service; repeat it for several',
  '--endpoint ID             id of the endpoint, unique in the service (default: host name and port)',
  "--address IP              where callers reach it (default: this machine's address on the way to the control plane)",
  '--admin URL               HTTP API of the control plane; repeat it for several (default: TENDRIL_SERVER, http://127.0.0.1:18001)',
  '--lease TIME              how long after the last heartbeat the endpoint is dropped (default 30s; 3s to 24h)',
  '--label NAME=VALUE        a label of the endpoint; repeat it for several',
  '--region R, --zone Z      where it runs',
  '--service-account A       the account it runs as',
  '',
  '--ready PROBE             may it be called (default: as soon as it is started)',
  '--live PROBE              does it live (default: as long as its process does)',
  '                          PROBE: http://HOST:PORT/PATH, grpc://HOST:PORT[/SERVICE], tcp://HOST:PORT, "cmd:PROGRAM ARG…"',
  '--interval TIME           from one probe to the next (default 5s)',
  '--probe-timeout TIME      a probe without an answer for so long has failed (default 2s)',
  '--startup-timeout TIME    an application not ready after so long is said to be so (default 60s)',
  '',
  '--restart on|off          start an application that ended, or no longer lives, again (default on)',
  '--restart-limit N         at most so many times in 10 minutes, then the agent ends with 1 (default 10)',
  '--drain-timeout TIME      patience of the drain (default 15s)',
  '--grace TIME              time for running requests, behind the drain (default 1s)',
  '--kill-after TIME         from SIGTERM to SIGKILL (default 10s)',
  '--if-taken stay|fail      exit code when another process took the endpoint: that of the application, or 1 (default stay)',
  '--listen-xds HOST:PORT    serve xDS to its Envoy there (loopback only), also while every control plane is down (docs/relay.md)',
  '--xds HOST:PORT           xDS address of the control plane, for --listen-xds; repeat it for several (default 127.0.0.1:18000)',
  '--cache DIR               where the last good configuration outlives the agent; without it, in memory only',
  '--mesh NAME               name of the mesh (default "default"): a cache of another one is not used',
  '',
  '--status HOST:PORT        answer GET /status there (loopback only)',
  '--log text|json           lines for people, or JSON (default text)',
  '',
  'Order at SIGTERM: withdraw the endpoint, wait until every sidecar has acknowledged, --grace, SIGTERM to CMD. A second signal ends all',
  'at once. SIGHUP, SIGUSR1, SIGUSR2 are passed on to CMD. Exit code: that of CMD; 1 when it was never ready or restarted too often.',
];

const LOOPBACK = /^(?:127(?:\.[0-9]{1,3}){3}|::1|localhost)$/;

/** Values of an option that may be repeated. */
export const texts = (args: Arguments, name: string): readonly string[] => {
  const value = args.values[name];
  return (Array.isArray(value) ? value : []).filter((one) => typeof one === 'string');
};

const duration = (args: Arguments, name: string): number | undefined => {
  const value = text(args, name);
  if (value === undefined) return undefined;
  const ms = parseDuration(value);
  if (ms === undefined) throw usageError(`--${name} is "${value}"; allowed: a duration such as 500ms, 5s or 2m`);
  return ms;
};

const pairs = (args: Arguments, name: string, example: string): Record<string, string> =>
  Object.fromEntries(
    texts(args, name).map((one) => {
      const at = one.indexOf('=');
      if (at < 1) throw usageError(`--${name} is "${one}"; allowed: ${example}`);
      return [one.slice(0, at), one.slice(at + 1)];
    }),
  );

const ports = (args: Arguments, name: string, isShort: boolean): Record<string, number> =>
  Object.fromEntries(
    texts(args, name).map((one) => {
      const [, from = '', to = isShort ? from : ''] = /^([0-9]{1,5})(?:=([0-9]{1,5}))?$/.exec(one) ?? [];
      if (from === '' || to === '')
        throw usageError(`--${name} is "${one}"; allowed: ${isShort ? '8080, or 80=8080' : '80=15006'}`);
      return [from, Number(to)];
    }),
  );

/** `HOST:PORT`, `[IPv6]:PORT`; undefined: it is neither. */
export const parseAddress = (value: string): HostPort | undefined => {
  const [, six, four, port = ''] = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]\s]+)):([0-9]{1,5})$/.exec(value) ?? [];
  const host = six ?? four;
  return host === undefined || Number(port) > 65_535 ? undefined : { host, port: Number(port) };
};

/** An address to listen on. Throws `USAGE` when it is not loopback. */
export const localAddress = (args: Arguments, name: string): HostPort | undefined => {
  const value = text(args, name);
  if (value === undefined) return undefined;
  const address = parseAddress(value);
  if (address === undefined) throw usageError(`--${name} is "${value}"; allowed: HOST:PORT`);
  const { host } = address;
  if (!LOOPBACK.test(host))
    throw usageError(`--${name} is "${value}", which is not loopback; there is no authentication: name 127.0.0.1`);
  return address;
};

const defined = <T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;

/** Throws `USAGE`, `PROBE_INVALID`. */
export const agentOptions = (
  args: Arguments,
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Omit<AgentOptions, 'say'> => {
  const said = text(args, 'service');
  const service = said === undefined ? undefined : parseServiceName(said);
  if (service === undefined)
    throw usageError(
      said === undefined
        ? 'agent needs --service, for example --service cart.shop'
        : `--service is "${said}"; allowed: SERVICE.NAMESPACE`,
    );
  const port = ports(args, 'port', true);
  if (Object.keys(port).length === 0) throw usageError('agent needs --port, for example --port 8080');
  const admin = texts(args, 'admin').flatMap((list) => list.split(','));
  const probe = (name: string) => {
    const value = text(args, name);
    return value === undefined ? undefined : parseProbe(value);
  };
  const labels = pairs(args, 'label', 'NAME=VALUE');
  const restart = oneOf(args, 'restart', ['on', 'off'] as const);
  const limit = integer(args, 'restart-limit', 1, 1_000);
  return defined({
    registration: defined({
      admin: admin.length > 0 ? admin : [env.TENDRIL_SERVER ?? 'http://127.0.0.1:18001'],
      service: service.name,
      namespace: service.namespace,
      port,
      inbound: ports(args, 'inbound', false),
      endpoint: text(args, 'endpoint'),
      address: text(args, 'address'),
      leaseMs: duration(args, 'lease'),
      labels: Object.keys(labels).length === 0 ? undefined : labels,
      region: text(args, 'region'),
      zone: text(args, 'zone'),
      serviceAccount: text(args, 'service-account'),
    }),
    ready: probe('ready'),
    live: probe('live'),
    intervalMs: duration(args, 'interval'),
    timeoutMs: duration(args, 'probe-timeout'),
    startupMs: duration(args, 'startup-timeout'),
    drainMs: duration(args, 'drain-timeout'),
    graceMs: duration(args, 'grace'),
    killMs: duration(args, 'kill-after'),
    command: command.length === 0 ? undefined : command,
    restarts:
      restart === 'off' ? ('off' as const) : limit === undefined ? undefined : { ...DEFAULT_RESTARTS, most: limit },
    failsWhenTaken: oneOf(args, 'if-taken', ['stay', 'fail'] as const) === 'fail',
  });
};
