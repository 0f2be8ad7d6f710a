/** `tendril graph audit`: edges declared and not used, used and not declared, and the documents that settle it. */
import { flag, type Options, parse } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { ago, plural, render, table } from '../output.ts';
import {
  type EdgeItem,
  edgeName,
  focusOf,
  GRAPH_HELP,
  GRAPH_OPTIONS,
  graphFormat,
  graphQuery,
  MAX_LINES,
} from './graph-edges.ts';

const OPTIONS: Options = { ...GRAPH_OPTIONS, 'exit-code': { type: 'boolean' }, documents: { type: 'boolean' } };

interface Finding {
  readonly kind: string;
  readonly edge: EdgeItem;
  readonly since?: string;
  readonly documents: readonly string[];
  readonly hint?: string;
}

interface Settling {
  readonly document: string;
  readonly action: 'apply' | 'delete';
  readonly yaml?: string;
}

interface Answer {
  readonly edges: number;
  readonly findings: readonly Finding[];
  readonly documents: readonly Settling[];
}

const WORDS: Readonly<Record<string, string>> = {
  'never-used': 'declared, never used',
  'no-longer-used': 'declared, no longer used',
  undeclared: 'used, not declared',
};

/** What to apply, as one YAML text; deletions are comments that are commands. */
const settlement = (documents: readonly Settling[]): string =>
  documents
    .map(({ document, action, yaml }) =>
      action === 'delete'
        ? `# ${document} declares nothing else: tendril delete ${document}`
        : `---\n${(yaml ?? '').trimEnd()}`,
    )
    .join('\n');

const listing = (answer: Answer, shown: readonly Finding[], now: number): string =>
  table(shown, [
    { title: 'FINDING', value: ({ kind }) => WORDS[kind] ?? kind },
    { title: 'EDGE', value: ({ edge }) => edgeName(edge) },
    { title: 'SINCE', value: ({ since }) => (since === undefined ? undefined : ago(since, now)) },
    {
      title: 'SETTLED BY',
      value: ({ documents, hint }) => {
        const [key] = documents;
        const isDeleted = answer.documents.some(({ document, action }) => document === key && action === 'delete');
        return key === undefined ? hint : `${isDeleted ? 'deleting ' : ''}${key}`;
      },
    },
  ]);

export const graphAudit: Command = {
  usage: 'graph audit [SERVICE.NAMESPACE] [--at WHEN] [--documents] [--exit-code]',
  options: OPTIONS,
  help: [
    '--documents  only what settles it, as YAML: tendril graph audit --documents | tendril apply -f -',
    '--exit-code  exit with 2 when there are findings',
    ...GRAPH_HELP,
  ],
  run: async (argv, io) => {
    const args = parse('graph audit', argv, OPTIONS, { min: 0, max: 1, usage: graphAudit.usage });
    const format = graphFormat(args);
    const focus = focusOf(args.positionals[0]);
    const { body } = await clientFor(args, io).request<Answer>('/v1/graph/audit', { query: graphQuery(args, focus) });
    const { findings, documents } = body;
    const code = findings.length > 0 && flag(args, 'exit-code') ? 2 : 0;
    if (flag(args, 'documents')) {
      io.out(settlement(documents));
      return code;
    }
    const room = MAX_LINES - 3;
    const shown = flag(args, 'all') || findings.length <= room ? findings : findings.slice(0, room);
    const again = `tendril graph audit${focus === undefined ? '' : ` ${focus}`}`;
    const count = `${plural(findings.length, 'finding')} in ${plural(body.edges, 'edge')}`;
    io.out(
      render(
        format,
        body,
        () => {
          if (findings.length === 0) return `${plural(body.edges, 'edge')}: documents and use agree`;
          return [
            listing(body, shown, io.now()),
            shown.length === findings.length ? count : `${count}, ${shown.length} shown; all: ${again} --all`,
            ...(documents.length === 0 ? [] : [`next: ${again} --documents`]),
          ].join('\n');
        },
        () => findings.map(({ edge }) => edgeName(edge)),
      ),
    );
    return code;
  },
};
