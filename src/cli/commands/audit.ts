/** `tendril audit`: who wrote or tried to write what. */
import { parseDuration } from '../../model/index.ts';
import { CLIENT_OPTIONS, flag, formatOf, integer, type Options, parse, text, usageError } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { plural, render, table } from '../output.ts';

const OPTIONS: Options = {
  ...CLIENT_OPTIONS,
  refused: { type: 'boolean' },
  who: { type: 'string' },
  code: { type: 'string' },
  since: { type: 'string' },
  from: { type: 'string' },
  limit: { type: 'string' },
};

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 1_000;

interface AuditItem {
  readonly seq: number;
  readonly time: string;
  readonly kind: string;
  readonly who?: string;
  readonly from?: string;
  readonly result?: string;
  readonly method?: string;
  readonly target?: string;
  readonly status?: number;
  readonly code?: string;
  readonly message?: string;
  readonly types?: Readonly<Record<string, number>>;
  readonly subjects?: readonly string[];
  readonly offsets?: readonly (readonly [number, number])[];
  readonly reason?: string;
  readonly request?: string;
  /** Of `more` and `dropped`. */
  readonly count?: number;
  /** Of `pruned`. */
  readonly through?: number;
}

/** `2h`, or a time; as the API takes it. */
const sinceOf = (value: string | undefined, now: number): string | undefined => {
  if (value === undefined) return undefined;
  const ms = parseDuration(value);
  if (ms !== undefined) return String(Math.floor(now - ms));
  if (Number.isNaN(Date.parse(value)))
    throw usageError(`--since is "${value}"; allowed: a duration such as 2h, or a time such as 2026-05-01T12:00:00Z`);
  return value;
};

const whatOf = (item: AuditItem): string => {
  if (item.kind === 'more') return `${item.count} more refused`;
  if (item.kind === 'dropped') return `${item.count} entries could not be kept`;
  if (item.kind === 'pruned') return `entries up to ${item.through} removed`;
  if (item.kind !== 'write') return item.kind;
  if (item.method !== undefined) return `${item.method} ${item.target ?? ''}`;
  return Object.keys(item.types ?? {}).join(', ') || 'events';
};

const offsetsOf = ({ offsets = [] }: AuditItem): string =>
  offsets.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',') || '-';

export const audit: Command = {
  usage: 'audit [--refused] [--who NAME] [--code CODE] [--since TIME] [--from N] [--limit N]',
  options: OPTIONS,
  help: [
    '--refused      only refused writes',
    '--who NAME     only this caller or source: local, dir, …',
    '--code CODE    only refusals with this code, for example DISK_FULL',
    '--since TIME   from this time on: a duration back from now (2h), or RFC 3339',
    `--from N       from this entry on (default: the last ${DEFAULT_LIMIT})`,
    `--limit N      at most N entries (default ${DEFAULT_LIMIT}, at most ${MAX_LIMIT})`,
    '--server URL, -o table|wide|json|yaml|name (numbers of entries)',
  ],
  examples: ['tendril audit --refused --since 24h', 'tendril verify --data DIR   (proves the chain, offline)'],
  run: async (argv, io) => {
    const args = parse('audit', argv, OPTIONS, { min: 0, max: 0, usage: audit.usage });
    const format = formatOf(args);
    const { body } = await clientFor(args, io).request<{
      readonly entries: readonly AuditItem[];
      readonly complete: boolean;
    }>('/v1/audit', {
      query: {
        limit: integer(args, 'limit', 1, MAX_LIMIT) ?? DEFAULT_LIMIT,
        from: integer(args, 'from', 1, Number.MAX_SAFE_INTEGER),
        who: text(args, 'who'),
        code: text(args, 'code'),
        since: sinceOf(text(args, 'since'), io.now()),
        ...(flag(args, 'refused') ? { refused: 1 } : {}),
      },
    });
    const rows = body.entries;
    if (!body.complete)
      io.err('more was there to read than one look reads: name a time with --since, or an entry with --from');
    io.out(
      render(
        format,
        body,
        () =>
          rows.length === 0
            ? `${plural(0, 'entry', 'entries')} of that kind; next: tendril audit`
            : table(
                rows,
                [
                  { title: 'SEQ', value: ({ seq }) => seq, number: true },
                  { title: 'TIME', value: ({ time }) => time },
                  { title: 'WHO', value: ({ who }) => who },
                  { title: 'FROM', value: ({ from }) => from },
                  { title: 'RESULT', value: ({ result, code }) => code ?? result },
                  { title: 'EVENTS', value: offsetsOf },
                  { title: 'SUBJECTS', value: ({ subjects }) => subjects?.join(' '), wide: true },
                  { title: 'REQUEST', value: ({ request }) => request, wide: true },
                  { title: 'REASON', value: ({ reason }) => reason, wide: true },
                  { title: 'WHAT', value: whatOf },
                ],
                format,
              ),
        () => rows.map(({ seq }) => String(seq)),
      ),
    );
    return 0;
  },
};
