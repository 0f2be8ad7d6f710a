/** `tendril bootstrap envoy`: a complete Envoy bootstrap on stdout. */
import { TendrilError } from '../../model/index.ts';
import { envoyBootstrap, parseHostPort } from '../../runtime/index.ts';
import { integer, type Options, parse, text } from '../arguments.ts';
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
  help: { type: 'boolean', short: 'h' },
};

const required = (value: string | undefined, option: string, example: string): string => {
  if (value === undefined)
    throw new TendrilError('USAGE', `bootstrap envoy needs --${option}, for example --${option} ${example}`, {
      remedy: 'tendril bootstrap --help',
    });
  return value;
};

export const bootstrap: Command = {
  usage: 'bootstrap envoy --service <service>.<namespace> --xds HOST:PORT --admin-port N [options]',
  options: OPTIONS,
  help: [
    '--service S          whose sidecar it is: <service>.<namespace>',
    '--xds HOST:PORT      the control plane',
    "--admin-port N       Envoy's own admin port on 127.0.0.1",
    '--bind IP            address of the listeners (default 127.0.0.1)',
    '--outbound-port N    where the application sends its calls (default 15001)',
    '--inbound-port N     where callers reach it, for a service with one port',
    '--id ID              node id (default sidecar~<endpoint>~<service>)',
    '--endpoint ID        id of the endpoint record it stands beside',
    '--service-account A, --region R, --zone Z',
  ],
  run: async (argv, { out }) => {
    const args = parse('bootstrap', argv, OPTIONS, { min: 1, max: 1, usage: bootstrap.usage });
    const [kind] = args.positionals;
    if (kind !== 'envoy')
      throw new TendrilError('USAGE', `bootstrap ${kind}: allowed: envoy (grpc comes with a later version)`);
    const service = required(text(args, 'service'), 'service', 'cart.shop');
    const xdsText = required(text(args, 'xds'), 'xds', '127.0.0.1:18000');
    const xds = parseHostPort(xdsText);
    if (xds === undefined) throw new TendrilError('USAGE', `--xds is "${xdsText}"; allowed: HOST:PORT`);
    required(text(args, 'admin-port'), 'admin-port', '19000');
    const document = envoyBootstrap({
      service,
      xds,
      adminPort: integer(args, 'admin-port', 0, 65535) ?? 0,
      bind: text(args, 'bind'),
      outboundPort: integer(args, 'outbound-port', 1, 65535),
      inboundPort: integer(args, 'inbound-port', 1, 65535),
      id: text(args, 'id'),
      endpoint: text(args, 'endpoint'),
      serviceAccount: text(args, 'service-account'),
      region: text(args, 'region'),
      zone: text(args, 'zone'),
    });
    out(JSON.stringify(document, null, 2));
    return 0;
  },
};
