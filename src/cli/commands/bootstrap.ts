/** `tendril bootstrap envoy`, `tendril bootstrap grpc`: a complete bootstrap on stdout. */
import { hostname } from 'node:os';
import { TendrilError } from '../../model/index.ts';
import { envoyBootstrap, grpcBootstrap, type HostPort, parseHostPort } from '../../runtime/index.ts';
import { type Arguments, integer, type Options, parse, text } from '../arguments.ts';
import type { Command } from '../command.ts';

const OPTIONS: Options = {
  service: { type: 'string' },
  xds: { type: 'string' },
  'admin-port': { type: 'string' },
  bind: { type: 'string' },
  'outbound-port': { type: 'string' },
  'inbound-port': { type: 'string' },
  id: { type: 'string' },
  endpoint: { type: 'string' },
  'service-account': { type: 'string' },
  region: { type: 'string' },
  zone: { type: 'string' },
  needs: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
};

/** Of a sidecar alone: a gRPC application has no listeners, and asks by name for all it calls. */
const ENVOY_ONLY = ['admin-port', 'bind', 'outbound-port', 'inbound-port', 'needs'];

const required = (args: Arguments, kind: string, option: string, example: string): string => {
  const value = text(args, option);
  if (value === undefined)
    throw new TendrilError('USAGE', `bootstrap ${kind} needs --${option}, for example --${option} ${example}`, {
      remedy: 'tendril bootstrap --help',
    });
  return value;
};

/** What both kinds say of the node and the control plane. */
const common = (args: Arguments, kind: string) => {
  const service = required(args, kind, 'service', 'cart.shop');
  const said = required(args, kind, 'xds', '127.0.0.1:18000');
  const xds = said.split(',').map((one): HostPort => {
    const parsed = parseHostPort(one.trim());
    if (parsed === undefined)
      throw new TendrilError('USAGE', `--xds is "${said}"; allowed: HOST:PORT, or several with commas`);
    return parsed;
  });
  return {
    service,
    xds,
    id: text(args, 'id'),
    endpoint: text(args, 'endpoint'),
    serviceAccount: text(args, 'service-account'),
    region: text(args, 'region'),
    zone: text(args, 'zone'),
  };
};

const ofEnvoy = (args: Arguments): Record<string, unknown> => {
  const options = common(args, 'envoy');
  required(args, 'envoy', 'admin-port', '19000');
  return envoyBootstrap({
    ...options,
    adminPort: integer(args, 'admin-port', 0, 65535) ?? 0,
    bind: text(args, 'bind'),
    outboundPort: integer(args, 'outbound-port', 1, 65535),
    needs: text(args, 'needs'),
    inboundPort: integer(args, 'inbound-port', 1, 65535),
  });
};

const ofGrpc = (args: Arguments): Record<string, unknown> => {
  const foreign = ENVOY_ONLY.find((option) => text(args, option) !== undefined);
  if (foreign !== undefined)
    throw new TendrilError(
      'USAGE',
      `--${foreign} is for bootstrap envoy: a gRPC application has no listeners and asks by name`,
      {
        remedy: 'tendril bootstrap --help',
      },
    );
  return grpcBootstrap({ ...common(args, 'grpc'), host: hostname() });
};

export const bootstrap: Command = {
  usage: 'bootstrap envoy|grpc --service <service>.<namespace> --xds HOST:PORT[,...] [options]',
  options: OPTIONS,
  help: [
    'envoy: for a sidecar. grpc: for an application that calls xds:///<service>.<namespace>:<port> without one;',
    'it reads the file that GRPC_XDS_BOOTSTRAP names, or GRPC_XDS_BOOTSTRAP_CONFIG itself.',
    '--service S          whose sidecar, or which application, it is: <service>.<namespace>',
    '--xds HOST:PORT,...  the control plane; several replicas with commas',
    '--admin-port N       envoy: its own admin port on 127.0.0.1 (needed)',
    '--bind IP            envoy: address of the listeners (default 127.0.0.1)',
    '--outbound-port N    envoy: where the application sends its calls (default 15001)',
    '--inbound-port N     envoy: where callers reach it, for a service with one port',
    '--id ID              node id, unique (default sidecar~<endpoint>~<service>, or grpc~<endpoint or host>~<service>)',
    '--endpoint ID        id of the endpoint record it stands beside',
    '--service-account A, --region R, --zone Z',
    '--needs all|L=V,...  envoy: a gateway or probe that calls everything, or all services with these labels: it has',
    '                     them before it asks, and creates no edges for its siblings',
  ],
  run: async (argv, { out }) => {
    const args = parse('bootstrap', argv, OPTIONS, { min: 1, max: 1, usage: bootstrap.usage });
    const [kind] = args.positionals;
    if (kind !== 'envoy' && kind !== 'grpc') throw new TendrilError('USAGE', `bootstrap ${kind}: allowed: envoy, grpc`);
    const document = kind === 'envoy' ? ofEnvoy(args) : ofGrpc(args);
    out(JSON.stringify(document, null, 2));
    return 0;
  },
};
