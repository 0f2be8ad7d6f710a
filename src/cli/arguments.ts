/** Command lines: `node:util` parseArgs with errors that say what is allowed and what was perhaps meant. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { TendrilError } from '../model/index.ts';
import { FORMATS, type Format } from './output.ts';

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

const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(
        Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    row = next;
  }
  return row[b.length] ?? 0;
};

/** The nearest of the words, when it is near enough to be a slip of the finger. */
export const nearest = (word: string, words: readonly string[]): string | undefined => {
  const [best] = words
    .map((candidate) => ({ candidate, d: distance(word, candidate) }))
    .sort((a, b) => a.d - b.d || (a.candidate < b.candidate ? -1 : 1));
  return best !== undefined && best.d <= Math.max(1, Math.floor(word.length / 3)) ? best.candidate : undefined;
};

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
    const name = /^--(?:no-)?([^=]+)/.exec(argument)?.[1];
    if (name !== undefined && !known.includes(name)) {
      const meant = nearest(name, known);
      throw usage(`unknown option --${name}${meant === undefined ? '' : ` (did you mean --${meant}?)`}`);
    }
  }
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw usage(error instanceof Error ? (error.message.split('. ')[0] ?? error.message) : String(error));
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
  if (format === undefined)
    throw new TendrilError('USAGE', `-o ${asked} is not a format; allowed: ${FORMATS.join(', ')}`);
  return format;
};

/** A whole number within bounds, or `USAGE`. */
export const integer = (args: Arguments, name: string, min: number, max: number): number | undefined => {
  const value = text(args, name);
  if (value === undefined) return undefined;
  const parsed = Number(value);
  if (!Number.isInteger(parsed) || parsed < min || parsed > max)
    throw new TendrilError('USAGE', `--${name} is "${value}"; allowed: a whole number from ${min} to ${max}`);
  return parsed;
};
