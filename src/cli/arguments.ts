/** Command lines: `node:util` parseArgs with errors that say what is allowed and what was perhaps meant. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { nearestWord, TendrilError } from '../model/basics.ts';
import { FORMATS, type Format } from './format.ts';

export type Options = NonNullable<ParseArgsConfig['options']>;

export interface Arguments {
  readonly values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
  readonly positionals: readonly string[];
}

/** Options of every command that talks to a running `tendril serve`. */
export const CLIENT_OPTIONS: Options = {
  server: { type: 'string' },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
};

/** Line of help for commands that can tell of an earlier moment. */
export const AT_HELP =
  '--at WHEN   as it was then: an offset, a time such as 2026-05-01T12:00:00Z, or how long ago: 10m, 2h, 3d';

/** A `USAGE` error; `tendril COMMAND --help` is its remedy where none is given. */
export const usageError = (message: string, remedy?: string): TendrilError =>
  new TendrilError('USAGE', message, remedy === undefined ? {} : { remedy });

/** Throws `USAGE` for an unknown option, a missing value, or a wrong number of words. */
export const parse = (
  command: string,
  argv: readonly string[],
  options: Options,
  positionals: { readonly min: number; readonly max: number; readonly usage: string },
): Arguments => {
  const usage = (message: string): TendrilError =>
    new TendrilError('USAGE', `${command}: ${message}`, { remedy: `tendril ${command} --help` });
  const known = Object.keys(options);
  for (const argument of argv) {
    if (argument === '--') break;
    const name = /^--([^=]+)/.exec(argument)?.[1];
    if (name !== undefined && !known.includes(name)) {
      const meant = nearestWord(name, known);
      throw usage(`unknown option --${name}${meant === undefined ? '' : ` (did you mean --${meant}?)`}`);
    }
  }
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw usage(
      said.includes('ambiguous')
        ? `${said.split(' argument')[0]}: a value that begins with a dash is written --option=VALUE`
        : (said.split('. ')[0] ?? said),
    );
  }
  if (parsed.values.help !== true) {
    if (parsed.positionals.length < positionals.min) throw usage(`something is missing: tendril ${positionals.usage}`);
    if (parsed.positionals.length > positionals.max)
      throw usage(`too many words: "${parsed.positionals[positionals.max]}"; usage: tendril ${positionals.usage}`);
  }
  return { values: parsed.values, positionals: parsed.positionals };
};

export const text = (args: Arguments, name: string): string | undefined => {
  const value = args.values[name];
  return typeof value === 'string' ? value : undefined;
};

export const flag = (args: Arguments, name: string): boolean => args.values[name] === true;

export const formatOf = (args: Arguments): Format => {
  const asked = text(args, 'output') ?? 'table';
  const format = FORMATS.find((candidate) => candidate === asked);
  if (format === undefined) throw usageError(`-o ${asked} is not a format; allowed: ${FORMATS.join(', ')}`);
  return format;
};

/** A whole number within bounds, or `USAGE`. */
export const integer = (args: Arguments, name: string, min: number, max: number): number | undefined => {
  const value = text(args, name);
  if (value === undefined) return undefined;
  const parsed = Number(value);
  if (value.trim() === '' || !Number.isInteger(parsed) || parsed < min || parsed > max)
    throw usageError(`--${name} is "${value}"; allowed: a whole number from ${min} to ${max}`);
  return parsed;
};

/** One of several words, or `USAGE`. */
export const oneOf = <W extends string>(args: Arguments, name: string, words: readonly W[]): W | undefined => {
  const value = text(args, name);
  if (value === undefined) return undefined;
  const found = words.find((word) => word === value);
  if (found === undefined) throw usageError(`--${name} is "${value}"; allowed: ${words.join(', ')}`);
  return found;
};
