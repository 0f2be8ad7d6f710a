/** `tendril verify --data DIR`: chain, checksums and a replay from the first event, offline. */
import { packageVersion, type VerifyReport, verifyData } from '../../runtime/index.ts';
import { formatOf, type Options, parse, text } from '../arguments.ts';
import type { Command } from '../command.ts';
import { render } from '../output.ts';

const OPTIONS: Options = {
  data: { type: 'string' },
  mesh: { type: 'string' },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
};

const more = ({ problems, problemCount }: VerifyReport): string[] =>
  problemCount > problems.length ? [`  … and ${problemCount - problems.length} more`] : [];

const auditLine = ({ audit }: VerifyReport): string[] =>
  audit === undefined
    ? []
    : [`audit: ${audit.entries} entries, ${audit.first} to ${audit.last}, its chain holds and fits the log`];

export const verify: Command = {
  usage: 'verify --data DIR',
  options: OPTIONS,
  help: [
    '--data DIR   default ./tendril-data; `tendril serve` must not run on it',
    '--mesh NAME  default "default"',
    '-o FORMAT    table, wide, json, yaml, name (the state hash)',
  ],
  run: async (argv, io) => {
    const args = parse('verify', argv, OPTIONS, { min: 0, max: 0, usage: verify.usage });
    const format = formatOf(args);
    const data = text(args, 'data') ?? io.env.TENDRIL_DATA ?? './tendril-data';
    let shown = io.now();
    const report = await verifyData({
      dir: data,
      mesh: text(args, 'mesh') ?? io.env.TENDRIL_MESH ?? 'default',
      version: packageVersion(),
      onProgress: ({ step, offset, head }) => {
        if (io.now() - shown < 1_000) return;
        shown = io.now();
        io.err(`verify: ${step}${head === 0 ? '' : `, ${offset} of ${head} events`}`);
      },
    });
    io.out(
      render(
        format,
        report,
        () =>
          report.ok
            ? [
                `${data}: ok. ${report.offset} events, chain and checksums hold, replay gives state hash ${report.hash} (fold ${report.foldVersion})`,
                ...auditLine(report),
              ].join('\n')
            : [
                `${data}: NOT OK`,
                ...report.problems.map(({ part, where, message }) => `  ${part} ${where}: ${message}`),
                ...more(report),
              ].join('\n'),
        () => [report.hash],
      ),
    );
    return report.ok ? 0 : 1;
  },
};
