/** `tendril version` */
import { readFileSync } from 'node:fs';
import type { Command } from '../command.ts';

/** Version of the package, from its package.json. */
export const packageVersion = (): string => {
  const file = new URL('../../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
};

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
