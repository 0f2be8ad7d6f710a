/** The local xDS endpoint of `tendril agent`: the relay, from the command line. */
import { type Relay, type Saying, startRelay } from '../../agent/index.ts';
import { addressText } from '../../sidecar-client/index.ts';
import { type Arguments, text, usageError } from '../arguments.ts';
import { localAddress, parseAddress, texts } from './agent-options.ts';

interface Say {
  readonly say: (saying: Saying) => void;
}

/** A line of the relay. */
const lineOf = (level: Saying['level'], fields: object, message: string): Saying => {
  const { code } = fields as { readonly code?: string };
  return { level, ...(code === undefined ? {} : { code }), text: message };
};

/** Undefined: none is asked for. Rejects with `USAGE`, `RELAY_LISTEN`. */
export const agentRelay = async (args: Arguments, { say }: Say): Promise<Relay | undefined> => {
  const listen = localAddress(args, 'listen-xds');
  const lists = texts(args, 'xds');
  if (listen === undefined) {
    for (const name of ['xds', 'cache', 'mesh'])
      if (args.values[name] !== undefined)
        throw usageError(`--${name} is for the local xDS endpoint; add --listen-xds HOST:PORT`);
    return undefined;
  }
  const upstreams = lists
    .flatMap((list) => list.split(','))
    .map((one) => {
      const address = parseAddress(one.trim());
      if (address === undefined || address.port === 0)
        throw usageError(`--xds is "${one}"; allowed: HOST:PORT, or several with commas`);
      return address;
    });
  const cacheDir = text(args, 'cache');
  if (cacheDir === '') throw usageError('--cache is empty; name a directory');
  const relay = await startRelay({
    listen,
    upstreams: upstreams.length > 0 ? upstreams : [{ host: '127.0.0.1', port: 18_000 }],
    mesh: text(args, 'mesh') ?? 'default',
    ...(cacheDir === undefined ? {} : { cacheDir }),
    log: {
      info: (fields, message) => say(lineOf('info', fields, message)),
      warn: (fields, message) => say(lineOf('warn', fields, message)),
      error: (fields, message) => say(lineOf('error', fields, message)),
    },
  });
  const { problem } = relay.status().cache;
  const kept = cacheDir === undefined ? 'in memory only' : `in ${cacheDir}`;
  say({
    level: 'info',
    text: `xDS for its Envoy at ${addressText(relay.address)}, last good configuration ${problem === undefined ? kept : 'in memory only'}`,
  });
  return relay;
};
