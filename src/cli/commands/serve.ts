/** `tendril serve`: the control plane, until a signal ends it. */
import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { TendrilError } from '../../model/index.ts';
import { resolveConfig, SERVE_OPTIONS, startServer } from '../../runtime/index.ts';
import { type Options, parse, text } from '../arguments.ts';
import type { Command } from '../command.ts';

const OPTIONS: Options = {
  ...Object.fromEntries(SERVE_OPTIONS.map(({ flag, type }) => [flag, { type }])),
  help: { type: 'boolean', short: 'h' },
};

const readConfigFile = (file: string): Record<string, unknown> => {
  let content: unknown;
  try {
    content = parseYaml(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new TendrilError(
      'CONFIG_INVALID',
      `--config ${file}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw new TendrilError(
      'CONFIG_INVALID',
      `--config ${file}: allowed: a map of options, for example "data: /var/lib/tendril"`,
    );
  return content as Record<string, unknown>;
};

export const serve: Command = {
  name: 'serve',
  summary: 'run the control plane',
  usage: 'serve [options]',
  options: OPTIONS,
  help: SERVE_OPTIONS.map(({ flag, value, help }) => `--${`${flag} ${value}`.trim().padEnd(26)} ${help}`),
  run: async (argv, { out, env, signal }) => {
    const args = parse('serve', argv, OPTIONS, { min: 0, max: 0, usage: serve.usage });
    const file = text(args, 'config') ?? env.TENDRIL_CONFIG;
    const flags = args.values as Record<string, string | boolean | undefined>;
    const config = resolveConfig({ flags, env, ...(file === undefined ? {} : { file: readConfigFile(file) }) });
    const server = await startServer(config, signal);
    out(
      `tendril is ready: xDS ${server.xds.host}:${server.xds.port}, API http://${server.admin.host}:${server.admin.port}, ` +
        `log ${config.log}${config.log === 'memory' ? ' (gone at exit)' : `, data ${config.data}`}`,
    );
    const stop = (): void => void server.stop();
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    return server.ended;
  },
};
