/** `tendril serve`: the control plane, until a signal ends it. */
import { readFileSync } from 'node:fs';
import { isObject, TendrilError } from '../../model/basics.ts';
import {
  giveBackWhenQuiet,
  type HostPort,
  type RunningServer,
  resolveConfig,
  SERVE_OPTIONS,
  startServer,
} from '../../runtime/serving.ts';
import { type Options, parse, text } from '../arguments.ts';
import type { Command } from '../command.ts';

const OPTIONS: Options = {
  ...Object.fromEntries(SERVE_OPTIONS.map(({ flag, type }) => [flag, { type }])),
  help: { type: 'boolean', short: 'h' },
};

const format = ({ host, port }: HostPort): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

const readConfigFile = async (file: string): Promise<Record<string, unknown>> => {
  const bad = (what: string, cause?: unknown): TendrilError =>
    new TendrilError('CONFIG_INVALID', `--config ${file}: ${what}`, {
      remedy: 'name a YAML or JSON file that maps options to values, for example "data: /var/lib/tendril"',
      ...(cause === undefined ? {} : { cause }),
    });
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch (cause) {
    throw bad(`cannot be read (${(cause as NodeJS.ErrnoException).code ?? String(cause)})`, cause);
  }
  let content: unknown;
  const { parse: parseYaml } = await import('yaml');
  try {
    content = parseYaml(source);
  } catch (cause) {
    throw bad(cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause), cause);
  }
  if (!isObject(content)) throw bad('is not a map of options');
  return content;
};

export const serve: Command = {
  usage: 'serve [options]',
  options: OPTIONS,
  help: [
    ...SERVE_OPTIONS.map(({ flag, value, help }) => `--${`${flag} ${value}`.trim().padEnd(26)} ${help}`),
    '',
    'Each also as a variable (--log-level: TENDRIL_LOG_LEVEL) or a key of the --config file; flags win, then variables.',
    'Stops in order at SIGTERM or Ctrl-C, within 10 s; at once at the second.',
  ],
  examples: ['tendril serve --data ./tendril-data --dir ./mesh', 'tendril serve --log memory --workers 0'],
  run: async (argv, { out, env, signal }) => {
    const args = parse('serve', argv, OPTIONS, { min: 0, max: 0, usage: serve.usage });
    const file = text(args, 'config') ?? env.TENDRIL_CONFIG;
    const flags = args.values as Record<string, string | boolean | undefined>;
    const config = resolveConfig({ flags, env, ...(file === undefined ? {} : { file: await readConfigFile(file) }) });
    let server: RunningServer;
    try {
      server = await startServer(config, signal);
    } catch (error) {
      // Told to stop while it started: whatever failed then is no fault.
      if (signal.aborted) return 0;
      throw error;
    }
    out(
      `tendril is ready: xDS ${format(server.xds)}, API http://${format(server.admin)}, ` +
        `log ${config.log}${config.log === 'memory' ? ' (gone at exit)' : `, data ${config.data}`}`,
    );
    // A supervisor that has dealt ten thousand connections keeps little of that.
    if (config.workers > 0) void giveBackWhenQuiet(() => undefined);
    const stop = (): void => void server.stop();
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    return server.ended;
  },
};
