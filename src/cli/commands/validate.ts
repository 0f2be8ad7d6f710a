/** `tendril validate -f FILE`: documents checked offline, every finding with file, line and column. */
import { keyOf } from '../../model/index.ts';
import { flag, formatOf, type Options, parse } from '../arguments.ts';
import type { Command } from '../command.ts';
import { readDocuments } from '../documents.ts';
import { findingLines } from '../findings.ts';
import { plural, render } from '../output.ts';

const OPTIONS: Options = {
  file: { type: 'string', short: 'f', multiple: true },
  output: { type: 'string', short: 'o' },
  'exit-code': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
};

export const validate: Command = {
  usage: 'validate -f FILE|DIR|- [-f …]',
  options: OPTIONS,
  help: [
    '-f, --file FILE  YAML or JSON; a directory: all .yaml .yml .json in it; - reads standard input',
    '--exit-code      exit 2 when there are findings, errors or warnings',
    '-o FORMAT        table, wide, json, yaml, name',
  ],
  examples: ['tendril validate -f mesh/', 'tendril apply -f mesh/ --dry-run     (also against the rest of the mesh)'],
  run: async (argv, io) => {
    const args = parse('validate', argv, OPTIONS, { min: 0, max: 0, usage: validate.usage });
    const format = formatOf(args);
    const { files, documents, findings } = await readDocuments(args, io);
    const errors = findings.filter(({ severity }) => severity === 'error').length;
    const names = documents.map(({ document }) => keyOf(document));
    io.out(
      render(
        format,
        { documents: names, findings },
        () =>
          [
            ...findings.flatMap(findingLines),
            `${plural(documents.length, 'good document')} in ${plural(files, 'file')}: ${plural(errors, 'error')}, ${plural(findings.length - errors, 'warning')}`,
          ].join('\n'),
        () => names,
      ),
    );
    if (flag(args, 'exit-code') && findings.length > 0) return 2;
    return errors > 0 ? 1 : 0;
  },
};
