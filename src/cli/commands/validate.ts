/** `tendril validate -f FILE`: documents checked offline, every finding with file, line and column. */
import { keyOf, parseDocuments } from '../../model/index.ts';
import { flag, formatOf, type Options, parse } from '../arguments.ts';
import type { Command } from '../command.ts';
import { readSources } from '../documents.ts';
import { findingLines } from '../findings.ts';
import { plural, render } from '../output.ts';

const OPTIONS: Options = {
  file: { type: 'string', short: 'f', multiple: true },
  output: { type: 'string', short: 'o' },
  'exit-code': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
};

export const validate: Command = {
  name: 'validate',
  summary: 'check documents offline',
  usage: 'validate -f FILE|DIR|- [-f …]',
  options: OPTIONS,
  help: [
    '-f FILE          YAML or JSON; a directory: all .yaml .yml .json in it; - reads standard input',
    '--exit-code      exit 2 when there are findings, errors or warnings',
    '-o FORMAT        table, json, yaml, name',
  ],
  run: async (argv, io) => {
    const args = parse('validate', argv, OPTIONS, { min: 0, max: 0, usage: validate.usage });
    const format = formatOf(args);
    const sources = await readSources(args, io);
    const results = sources.map((source) => parseDocuments(source.text, { file: source.name }));
    const documents = results.flatMap((result) => result.documents);
    const findings = results.flatMap((result) => result.findings);
    const errors = findings.filter(({ severity }) => severity === 'error').length;
    const names = documents.map(({ document }) => keyOf(document));
    io.out(
      render(
        format,
        { documents: names, findings },
        () =>
          [
            ...findings.flatMap(findingLines),
            `${plural(documents.length, 'document')} in ${plural(sources.length, 'file')}: ${plural(errors, 'error')}, ${plural(findings.length - errors, 'warning')}`,
          ].join('\n'),
        () => names,
      ),
    );
    if (flag(args, 'exit-code')) return findings.length > 0 ? 2 : 0;
    return errors > 0 ? 1 : 0;
  },
};
