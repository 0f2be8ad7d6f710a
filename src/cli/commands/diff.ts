/** `tendril diff --from A [--to B] [KIND/NAME]`: entities that came, went or changed between two moments. */
import { CLIENT_OPTIONS, flag, type Options, oneOf, parse, text, usageError } from '../arguments.ts';
import { type AdminClient, clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { documentRef } from '../document-ref.ts';
import { plural, printable, render } from '../output.ts';

const KINDS = ['service', 'endpoint', 'document', 'edge', 'raw'] as const;
const FORMATS = ['table', 'json', 'yaml', 'name', 'patch'] as const;
const OPTIONS: Options = {
  ...CLIENT_OPTIONS,
  from: { type: 'string' },
  to: { type: 'string' },
  kind: { type: 'string' },
  namespace: { type: 'string', short: 'n' },
  'exit-code': { type: 'boolean' },
};

interface Moment {
  readonly offset: number;
  readonly time: string;
}

interface Entity {
  readonly subject: string;
  readonly change: 'added' | 'changed' | 'removed' | 'unchanged';
  readonly patch: readonly unknown[];
  readonly lines: readonly string[];
}

interface Page {
  readonly from: Moment;
  readonly to: Moment;
  readonly entities: readonly Entity[];
  readonly next?: number;
}

const SIGNS = { added: '+', changed: '~', removed: '-', unchanged: ' ' } as const;

/** `Route/shop/cart` of a document, else the subject. */
const nameOf = ({ subject }: Entity): string => subject.replace(/^policy\//, '');

const linesOf = (entity: Entity): readonly string[] => [
  `${SIGNS[entity.change]} ${nameOf(entity)}`,
  ...entity.lines.map((line) => `    ${line}`),
];

/** All pages. The moments of the first one hold for all: `10m` ago is another moment each time. */
const read = async (client: AdminClient, query: Readonly<Record<string, string | undefined>>): Promise<Page> => {
  const { body: first } = await client.request<Page>('/v1/state/diff', { query });
  const entities = [...first.entities];
  const fixed = { ...query, from: String(first.from.offset), to: String(first.to.offset) };
  for (let { next } = first; next !== undefined; ) {
    const { body } = await client.request<Page>('/v1/state/diff', { query: { ...fixed, next } });
    entities.push(...body.entities);
    next = body.next;
  }
  return { from: first.from, to: first.to, entities };
};

/** A document by kind, or anything else by its subject. */
const subjectOf = (words: readonly string[], namespace: string | undefined): string | undefined => {
  const [word] = words;
  if (word === undefined) return undefined;
  if (/^(service|endpoint|edge|policy|resource)\//.test(word)) return word;
  const { kind, namespace: of = 'default', name } = documentRef(words, namespace);
  if (name === undefined) throw usageError(`"${words.join(' ')}" names no document`, `tendril get ${kind}`);
  return `policy/${kind}/${of}/${name}`;
};

export const diff: Command = {
  usage: 'diff [KIND/[NAMESPACE/]NAME | SUBJECT] --from WHEN [--to WHEN]',
  options: OPTIONS,
  help: [
    '--from WHEN         the earlier moment: an offset, a time such as 2026-05-01T12:00:00Z, or how long ago: 10m, 2h, 3d',
    '--to WHEN           the later one (default: now)',
    'SUBJECT             service/NAMESPACE/NAME, endpoint/NAMESPACE/NAME/ID, edge/FROM/TO',
    `--kind K            ${KINDS.join(', ')}`,
    '-n, --namespace NS  only of this namespace; of the document named',
    '--exit-code         exit with 2 when they differ',
    `--server URL, -o ${FORMATS.join('|')} (patch: RFC 6902, one entity a line)`,
  ],
  examples: ['tendril diff --from 812 --to 900', 'tendril diff Route/shop/cart --from 2h -o patch'],
  run: async (argv, io) => {
    const args = parse('diff', argv, OPTIONS, { min: 0, max: 1, usage: diff.usage });
    const format = oneOf(args, 'output', FORMATS) ?? 'table';
    const from = text(args, 'from');
    if (from === undefined) throw usageError('--from is missing: the moment to compare with', 'tendril diff --from 2h');
    const namespace = text(args, 'namespace');
    const subject = subjectOf(args.positionals, namespace);
    const page = await read(clientFor(args, io), {
      from,
      to: text(args, 'to'),
      kind: oneOf(args, 'kind', KINDS),
      ...(subject === undefined ? { namespace } : { subject }),
    });
    const { entities } = page;
    const between = `from offset ${page.from.offset} to ${page.to.offset}`;
    if (format === 'patch')
      io.out(entities.map(({ subject: of, patch }) => JSON.stringify({ subject: of, patch })).join('\n'));
    else
      io.out(
        render(
          format,
          page,
          () =>
            [
              ...entities.flatMap(linesOf).map(printable),
              entities.length === 0
                ? `nothing differs ${between}`
                : `${plural(entities.length, 'entity', 'entities')} differ ${between}`,
            ].join('\n'),
          () => entities.map(nameOf),
        ),
      );
    return entities.length > 0 && flag(args, 'exit-code') ? 2 : 0;
  },
};
