/** `tendril check`: is the running control plane well? One line per part, pass or fail. */
import { type Finding, TendrilError } from '../../model/index.ts';
import { CLIENT_OPTIONS, flag, formatOf, type Options, parse } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { findingLines } from '../findings.ts';
import { render } from '../output.ts';

const OPTIONS: Options = { ...CLIENT_OPTIONS, 'exit-code': { type: 'boolean' } };

interface Part {
  readonly name: string;
  readonly status: 'ok' | 'degraded' | 'failed';
  readonly code?: string;
  readonly message?: string;
  readonly remedy?: string;
  readonly findings?: readonly Finding[];
}

export const check: Command = {
  usage: 'check',
  options: OPTIONS,
  help: [
    '--exit-code   exit 2 when a part is degraded (1 when one has failed, with or without)',
    '--server URL, -o table|wide|json|yaml|name (the names of what is not well)',
  ],
  run: async (argv, io) => {
    const args = parse('check', argv, OPTIONS, { min: 0, max: 0, usage: check.usage });
    const format = formatOf(args);
    const client = clientFor(args, io);
    const { body: health } = await client.request<{ readonly parts?: readonly Part[] }>('/healthz', { accept: [503] });
    const ready = await client.request<{ readonly ready?: boolean; readonly reasons?: readonly string[] }>('/readyz', {
      accept: [503],
    });
    const parts: readonly Part[] = [
      ...(health.parts ?? []),
      {
        name: 'ready',
        status: ready.status === 200 ? 'ok' : 'failed',
        ...(ready.status === 200 ? {} : { message: (ready.body.reasons ?? []).join('; ') }),
      },
    ];
    if (parts.length === 1)
      throw new TendrilError('SERVER_UNKNOWN', `${client.server} does not answer like Tendril`, {
        remedy: 'name the HTTP API of `tendril serve` with --server URL',
      });
    const bad = parts.filter(({ status }) => status !== 'ok');
    const mark = { ok: 'ok  ', degraded: 'WARN', failed: 'FAIL' } as const;
    io.out(
      render(
        format,
        { parts },
        () =>
          [
            ...parts.flatMap((part) => [
              `${mark[part.status]}  ${part.name}${part.message === undefined || part.message === '' ? '' : `: ${part.code === undefined ? '' : `${part.code} `}${part.message}`}`,
              ...(part.remedy === undefined ? [] : [`      try: ${part.remedy}`]),
              ...(part.findings ?? []).flatMap(findingLines).map((line) => `      ${line}`),
            ]),
            bad.length === 0 ? 'all checks passed' : `${bad.length} of ${parts.length} checks did not pass`,
          ].join('\n'),
        () => bad.map(({ name }) => name),
      ),
    );
    if (parts.some(({ status }) => status === 'failed')) return 1;
    return flag(args, 'exit-code') && bad.length > 0 ? 2 : 0;
  },
};
