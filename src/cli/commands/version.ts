/** `tendril version` */
import { packageVersion } from '../../runtime/index.ts';
import { formatOf, type Options, parse } from '../arguments.ts';
import type { Command } from '../command.ts';
import { render } from '../output.ts';

const OPTIONS: Options = { output: { type: 'string', short: 'o' }, help: { type: 'boolean', short: 'h' } };

export const version: Command = {
  usage: 'version',
  options: OPTIONS,
  help: ['-o table|wide|json|yaml|name'],
  run: async (argv, { out }) => {
    const format = formatOf(parse('version', argv, OPTIONS, { min: 0, max: 0, usage: version.usage }));
    const data = { version: packageVersion(), node: process.version };
    out(
      render(
        format,
        data,
        () => `tendril ${data.version} (node ${data.node})`,
        () => [data.version],
      ),
    );
    return 0;
  },
};
