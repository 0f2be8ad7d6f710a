/** `tendril graph export`: the graph as DOT, as JSON, or as `Dependency` documents that `tendril apply` takes as they are. */
import { writeFileSync } from 'node:fs';
import { TendrilError } from '../../model/index.ts';
import { type Options, oneOf, parse, text } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { EDGE_STATES, focusOf, GRAPH_HELP, GRAPH_OPTIONS, graphQuery } from './graph-edges.ts';

const FORMS = ['dot', 'json', 'dependency'] as const;

const OPTIONS: Options = {
  ...GRAPH_OPTIONS,
  state: { type: 'string' },
  as: { type: 'string' },
  out: { type: 'string' },
};

export const graphExport: Command = {
  usage: 'graph export [SERVICE.NAMESPACE] [--as dot|json|dependency] [--out FILE]',
  options: OPTIONS,
  help: [`--as FORM    ${FORMS.join(', ')} (default json)`, '--out FILE   instead of standard output', ...GRAPH_HELP],
  run: async (argv, io) => {
    const args = parse('graph export', argv, OPTIONS, { min: 0, max: 1, usage: graphExport.usage });
    const focus = focusOf(args.positionals[0]);
    const form = oneOf(args, 'as', FORMS) ?? 'json';
    const query = { ...graphQuery(args, focus), state: oneOf(args, 'state', EDGE_STATES), as: form };
    const content = (await clientFor(args, io).text('/v1/graph/export', query)).trimEnd();
    const out = text(args, 'out');
    if (out === undefined) {
      io.out(content);
      return 0;
    }
    try {
      writeFileSync(out, `${content}\n`);
    } catch (cause) {
      throw new TendrilError('FILE_NOT_WRITABLE', `cannot write ${out}: ${(cause as NodeJS.ErrnoException).code}`, {
        remedy: 'name another file, or give this user the right to write it',
        cause,
      });
    }
    io.err(`${out} written${form === 'dependency' ? `; next: tendril apply -f ${out}` : ''}`);
    return 0;
  },
};
