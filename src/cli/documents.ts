/** Documents from the command line: files, directories, standard input. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { type Finding, keyOf, type ParsedDocument, parseDocuments, TendrilError } from '../model/index.ts';
import { type Arguments, usageError } from './arguments.ts';
import type { Io } from './command.ts';

export interface GivenDocuments {
  /** How many files (or standard inputs) were read. */
  readonly files: number;
  /** Documents without errors, in the order given; the files of a directory by name. */
  readonly documents: readonly ParsedDocument[];
  readonly findings: readonly Finding[];
}

interface Source {
  /** File name as given; `stdin` for `-`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const EXTENSIONS = new Set(['.yaml', '.yml', '.json']);

const notReadable = (name: string, cause: unknown): TendrilError => {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new TendrilError('FILE_NOT_READABLE', `${name} does not exist`, {
      remedy: 'name a file or a directory that exists, or - for standard input',
      cause,
    });
  return new TendrilError('FILE_NOT_READABLE', `cannot read ${name}: ${code ?? String(cause)}`, {
    remedy: 'give this user read permission on it',
    cause,
  });
};

const reading = <T>(name: string, read: () => T): T => {
  try {
    return read();
  } catch (cause) {
    throw notReadable(name, cause);
  }
};

const filesOf = (name: string): readonly string[] => {
  if (!reading(name, () => statSync(name)).isDirectory()) return [name];
  const files = reading(name, () => readdirSync(name))
    .filter((file) => EXTENSIONS.has(extname(file)))
    .sort();
  if (files.length === 0)
    throw new TendrilError('FILE_NOT_READABLE', `${name} holds no .yaml, .yml or .json file`, {
      remedy: 'name the files themselves, each with -f',
    });
  return files.map((file) => join(name, file));
};

const byPlace = (a: Finding, b: Finding): number => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);

async function* sourcesOf(names: readonly string[], io: Io): AsyncGenerator<Source> {
  for (const name of names)
    if (name === '-') yield { name: 'stdin', bytes: await io.readStdin() };
    else for (const file of filesOf(name)) yield { name: file, bytes: reading(file, () => readFileSync(file)) };
}

/** Reads and checks what all `-f` name. Throws `USAGE` or `FILE_NOT_READABLE`; findings are given back, not thrown. */
export const readDocuments = async (args: Arguments, io: Io): Promise<GivenDocuments> => {
  const given = args.values.file;
  const names = Array.isArray(given) ? given.map(String) : [];
  if (names.length === 0) throw usageError('no document given', 'add -f FILE, -f DIR, or -f - for standard input');
  const documents: ParsedDocument[] = [];
  const findings: Finding[] = [];
  let files = 0;
  for await (const { name, bytes } of sourcesOf(names, io)) {
    files++;
    // Bytes that are no UTF-8 become U+FFFD, which the parser reports with its place.
    const parsed = parseDocuments(new TextDecoder().decode(bytes), { file: name });
    documents.push(...parsed.documents);
    findings.push(...[...parsed.findings].sort(byPlace));
  }
  return { files, documents, findings };
};

/** As `readDocuments`, and throws `DOCUMENTS_REFUSED` when one of them has an error. */
export const readGoodDocuments = async (args: Arguments, io: Io): Promise<GivenDocuments> => {
  const given = await readDocuments(args, io);
  if (given.findings.some(({ severity }) => severity === 'error'))
    throw new TendrilError('DOCUMENTS_REFUSED', 'documents have errors; nothing was changed', {
      findings: given.findings,
      remedy: 'correct the places named above; `tendril explain KIND` lists the fields',
    });
  return given;
};

/** The finding with file, line and column of the document it names, as far as that one was given here. */
export const located = (finding: Finding, documents: readonly ParsedDocument[]): Finding => {
  const parsed = documents.find(({ document }) => keyOf(document) === finding.document);
  if (parsed === undefined || finding.column !== undefined) return finding;
  const { file } = parsed;
  return { ...finding, ...(file === undefined ? {} : { file }), ...parsed.locate(finding.pointer ?? '') };
};
