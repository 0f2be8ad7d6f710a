/** `tendril verify --data DIR`: chain, checksums and a replay from the first event, offline. */
import { verifyData } from '../../runtime/index.ts';
import { formatOf, type Options, parse, text } from '../arguments.ts';
import type { Command } from '../command.ts';
import { render } from '../output.ts';

const OPTIONS: Options = {
  data: { type: 'string' },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
};

export const verify: Command = {
  name: 'verify',
  summary: 'prove a data directory, offline',
  usage: 'verify --data DIR',
  options: OPTIONS,
  help: ['--data DIR   default ./tendril-data; `tendril serve` must not run on it', '-o FORMAT    table, json, yaml'],
  run: async (argv, io) => {
    const args = parse('verify', argv, OPTIONS, { min: 0, max: 0, usage: verify.usage });
    const format = formatOf(args);
    const data = text(args, 'data') ?? io.env.TENDRIL_DATA ?? './tendril-data';
    let shown = 0;
    const report = await verifyData(data, (progress) => {
      if (io.now() - shown < 1_000) return;
      shown = io.now();
      io.err(`verify: ${progress}`);
    });
    io.out(
      render(
        format,
        report,
        () =>
          report.ok
            ? `${data}: ok. ${report.offset} events, chain and checksums hold, replay gives state hash ${report.hash} (fold ${report.foldVersion})`
            : [`${data}: NOT OK`, ...report.problems.map((problem) => `  ${problem}`)].join('\n'),
        () => [report.hash],
      ),
    );
    return report.ok ? 0 : 1;
  },
};
