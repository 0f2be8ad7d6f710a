/** Finds the command, runs it, and turns every error into lines a person can act on: code, place, remedy. */
import { TendrilError } from '../model/index.ts';
import { nearest } from './arguments.ts';
import type { Command, Io } from './command.ts';
import { commands } from './commands/index.ts';
import { findingLines } from './findings.ts';

const WIDTH = 12;

const overview = (): string =>
  [
    'tendril: an event-sourced control plane for service meshes, on-demand delta xDS',
    '',
    'Usage: tendril COMMAND [options]',
    '',
    ...commands.map((command) => `  ${command.name.padEnd(WIDTH)}${command.summary}`),
    '',
    'tendril COMMAND --help shows its options. Commands that ask a running server take --server URL (or TENDRIL_SERVER)',
    'and -o table|wide|json|yaml|name. Exit codes: 0 ok, 1 error, 2 changes or findings (with --exit-code).',
  ].join('\n');

const helpOf = (command: Command): string =>
  [
    `tendril ${command.name}: ${command.summary}`,
    '',
    `Usage: tendril ${command.usage}`,
    ...(command.help.length === 0 ? [] : ['', 'Options:', ...command.help.map((line) => `  ${line}`)]),
  ].join('\n');

const errorLines = (error: unknown): string[] => {
  if (!(error instanceof TendrilError))
    return [`tendril: unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`];
  const known = error.findings.flatMap(findingLines);
  const lines = known.length > 0 ? known : [`error ${error.code}: ${error.message}`];
  return error.remedy === undefined || known.some((line) => line.includes(error.remedy ?? ''))
    ? lines
    : [...lines, `  try: ${error.remedy}`];
};

/** Resolves with the exit code; never rejects. */
export const runCli = async (argv: readonly string[], io: Io): Promise<number> => {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.out(overview());
    return name === undefined ? 1 : 0;
  }
  const wanted = name === '--version' || name === '-v' ? 'version' : name;
  const command = commands.find((candidate) => candidate.name === wanted);
  if (command === undefined) {
    const meant = nearest(
      wanted,
      commands.map((candidate) => candidate.name),
    );
    io.err(
      `error USAGE: "${name}" is not a command of tendril${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
    );
    io.err(`  try: tendril ${meant === undefined ? '--help' : `${meant} --help`}`);
    return 1;
  }
  const end = rest.indexOf('--');
  if ((end < 0 ? rest : rest.slice(0, end)).some((word) => word === '--help' || word === '-h')) {
    io.out(helpOf(command));
    return 0;
  }
  try {
    return await command.run(rest, io);
  } catch (error) {
    if (io.signal.aborted && !(error instanceof TendrilError)) return 130;
    for (const line of errorLines(error)) io.err(line);
    return 1;
  }
};
