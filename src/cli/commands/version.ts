/** `tendril version` */
import { packageVersion } from '../../runtime/index.ts';
import type { Command } from '../command.ts';

export const version: Command = {
  name: 'version',
  summary: 'print the version',
  usage: 'version',
  options: {},
  help: [],
  run: async (_argv, { out }) => {
    out(`tendril ${packageVersion()} (node ${process.version})`);
    return 0;
  },
};
