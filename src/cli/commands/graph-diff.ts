/** `tendril graph diff --from WHEN`: edges that came, went and changed. */
import { flag, type Options, parse, text, usageError } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { plural, printable, render } from '../output.ts';
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

const { at: _at, origin: _origin, ...SHARED } = GRAPH_OPTIONS;
const OPTIONS: Options = {
  ...SHARED,
  from: { type: 'string' },
  to: { type: 'string' },
  'exit-code': { type: 'boolean' },
};

interface Moment {
  readonly offset: number;
  readonly time: string;
}

interface Answer {
  readonly from: Moment;
  readonly to: Moment;
  readonly came: readonly EdgeItem[];
  readonly went: readonly EdgeItem[];
  readonly changed: readonly { readonly before: EdgeItem; readonly after: EdgeItem }[];
}

const wordsOf = ({ origin, state, declaredBy }: EdgeItem): string =>
  [origin, state, ...(declaredBy.length === 0 ? [] : [`by ${declaredBy.join(', ')}`])].join('  ');

const linesOf = ({ came, went, changed }: Answer): readonly string[] => [
  ...came.map((edge) => `+ ${edgeName(edge)}  ${wordsOf(edge)}`),
  ...went.map((edge) => `- ${edgeName(edge)}  ${wordsOf(edge)}`),
  ...changed.map(({ before, after }) => `~ ${edgeName(after)}  ${wordsOf(before)}  =>  ${wordsOf(after)}`),
];

export const graphDiff: Command = {
  usage: 'graph diff [SERVICE.NAMESPACE] --from WHEN [--to WHEN]',
  options: OPTIONS,
  help: [
    '--from WHEN  the earlier moment: an offset, or a time such as 2026-05-01T12:00:00Z',
    '--to WHEN    the later one (default: now)',
    '--exit-code  exit with 2 when they differ',
    ...GRAPH_HELP.filter((line) => !/^--(?:at|origin) /.test(line)),
    '',
    '--json has the change as RFC 6902 operations, too',
  ],
  run: async (argv, io) => {
    const args = parse('graph diff', argv, OPTIONS, { min: 0, max: 1, usage: graphDiff.usage });
    const format = graphFormat(args);
    const from = text(args, 'from');
    if (from === undefined)
      throw usageError('--from is missing: the moment to compare with', 'tendril graph diff --from 812');
    const { focus, depth } = graphQuery(args, focusOf(args.positionals[0]));
    const { body } = await clientFor(args, io).request<Answer>('/v1/graph/diff', {
      query: { focus, depth, from, to: text(args, 'to') },
    });
    const lines = linesOf(body);
    const room = MAX_LINES - 1;
    const shown = flag(args, 'all') || lines.length <= room ? lines : lines.slice(0, room);
    const counts = `${body.came.length} came, ${body.went.length} went, ${body.changed.length} changed from offset ${body.from.offset} to ${body.to.offset}`;
    io.out(
      render(
        format,
        body,
        () =>
          [
            ...shown.map(printable),
            lines.length === 0
              ? `no edge came, went or changed from offset ${body.from.offset} to ${body.to.offset}`
              : `${counts}${shown.length === lines.length ? '' : `; ${plural(lines.length - shown.length, 'line')} more with --all`}`,
          ].join('\n'),
        () => lines,
      ),
    );
    return lines.length > 0 && flag(args, 'exit-code') ? 2 : 0;
  },
};
