/** Documents from the command line: files, directories, standard input. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { TendrilError } from '../model/index.ts';
import type { Arguments } from './arguments.ts';
import type { Io } from './command.ts';

export interface DocumentSource {
  /** File name as given; `stdin` for `-`. */
  readonly name: string;
  readonly text: string;
}

const EXTENSIONS = new Set(['.yaml', '.yml', '.json']);

const decode = (name: string, bytes: Buffer): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new TendrilError('E102', `${name} is not valid UTF-8`, { cause, remedy: 'save the file as UTF-8' });
  }
};

/** All `-f` sources, in the order given; the files of a directory by name. Throws `USAGE` or `FILE_NOT_READABLE`. */
export const readSources = async (args: Arguments, io: Io): Promise<readonly DocumentSource[]> => {
  const given = args.values.file;
  const names = Array.isArray(given) ? given.map(String) : [];
  if (names.length === 0)
    throw new TendrilError('USAGE', 'no document given', { remedy: 'add -f FILE, -f DIR or -f -' });
  const sources: DocumentSource[] = [];
  for (const name of names) {
    if (name === '-') {
      sources.push({ name: 'stdin', text: await io.readStdin() });
      continue;
    }
    if (!existsSync(name)) throw new TendrilError('FILE_NOT_READABLE', `${name} does not exist`);
    const files = statSync(name).isDirectory()
      ? readdirSync(name)
          .filter((file) => EXTENSIONS.has(extname(file)))
          .sort()
          .map((file) => join(name, file))
      : [name];
    if (files.length === 0) throw new TendrilError('FILE_NOT_READABLE', `${name} holds no .yaml, .yml or .json file`);
    for (const file of files) {
      try {
        sources.push({ name: file, text: decode(file, readFileSync(file)) });
      } catch (cause) {
        if (cause instanceof TendrilError) throw cause;
        throw new TendrilError(
          'FILE_NOT_READABLE',
          `cannot read ${file}: ${cause instanceof Error ? cause.message : String(cause)}`,
          { cause },
        );
      }
    }
  }
  return sources;
};
