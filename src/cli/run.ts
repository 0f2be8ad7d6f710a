/** Finds the command, runs it, and turns every error into lines a person can act on: code, place, remedy. */
import { nearestWord, TendrilError } from '../model/basics.ts';
import type { Command, CommandEntry, Io } from './command.ts';
import { commands } from './commands/index.ts';
import { findingLines } from './findings.ts';

const WIDTH = 12;

const overview = (): string =>
  [
    'tendril: an event-sourced control plane for service meshes, on-demand delta xDS',
    '',
    'Usage: tendril COMMAND [options]',
    '',
    ...commands.map((entry) => `  ${entry.name.padEnd(WIDTH)}${entry.summary}`),
    '',
    'tendril COMMAND --help shows its options. Commands that ask a running server take --server URL (or TENDRIL_SERVER)',
    'and -o table|wide|json|yaml|name. Exit codes: 0 ok, 1 error, 2 changes or findings (with --exit-code).',
  ].join('\n');

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => (line === '' ? '' : `  ${line}`))];

const helpOf = (entry: CommandEntry, command: Command): string =>
  [
    `tendril ${entry.name}: ${entry.summary}`,
    '',
    `Usage: tendril ${command.usage}`,
    ...section('Options', command.help),
    ...section('Examples', command.examples ?? []),
  ].join('\n');

const errorLines = (error: unknown, command: string): string[] => {
  if (!(error instanceof TendrilError)) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return [`error INTERNAL: ${what}`, '  try: report these lines; this is a fault of Tendril, not of what you asked'];
  }
  const known = error.findings.flatMap(findingLines);
  const said = error.findings.some(({ code }) => code === error.code);
  const lines = said ? known : [...known, `error ${error.code}: ${error.message}`];
  const remedy = error.remedy ?? (error.code === 'USAGE' ? `tendril ${command} --help` : undefined);
  return remedy === undefined || known.some((line) => line.includes(remedy)) ? lines : [...lines, `  try: ${remedy}`];
};

/** The command of this name. Writes what is wrong, and what was perhaps meant, when there is none. */
const find = (name: string, io: Io): CommandEntry | undefined => {
  const entry = commands.find((candidate) => candidate.name === name);
  if (entry !== undefined) return entry;
  const meant = nearestWord(
    name,
    commands.map((candidate) => candidate.name),
  );
  io.err(
    `error USAGE: "${name}" is not a command of tendril${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
  );
  io.err(`  try: tendril ${meant === undefined ? '--help' : `${meant} --help`}`);
  return undefined;
};

const asksForHelp = (words: readonly string[]): boolean => {
  const end = words.indexOf('--');
  return (end < 0 ? words : words.slice(0, end)).some((word) => word === '--help' || word === '-h');
};

/** Name of the command that a command line asks for. */
export const commandNameOf = (argv: readonly string[]): string | undefined => {
  const [name] = argv;
  return name === '--version' || name === '-v' ? 'version' : name;
};

/** Resolves with the exit code; never rejects. */
export const runCli = async (argv: readonly string[], io: Io): Promise<number> => {
  const name = commandNameOf(argv);
  const rest = argv.slice(1);
  const [about] = rest;
  if (name === undefined || name === '--help' || name === '-h' || (name === 'help' && about === undefined)) {
    io.out(overview());
    return name === undefined ? 1 : 0;
  }
  const entry = find(name === 'help' && about !== undefined ? about : name, io);
  if (entry === undefined) return 1;
  try {
    const command = await entry.load();
    if (name === 'help' || asksForHelp(rest)) {
      io.out(helpOf(entry, command));
      return 0;
    }
    return await command.run(rest, io);
  } catch (error) {
    for (const line of errorLines(error, entry.name)) io.err(line);
    return 1;
  }
};
