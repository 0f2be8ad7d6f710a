/** Looks at a directory: which document files are there, and a signature that changes when one of them does. */
import { opendir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { compareText, type Finding } from '../../model/index.ts';

/** Files beyond that are not looked at. */
export const MAX_FILES = 20_000;
const MAX_DEPTH = 16;
const DOCUMENT_FILE = /\.(ya?ml|json)$/i;

export interface SeenFile {
  /** Below the root, with `/`. */
  readonly path: string;
  /** Changes when the file is written or replaced. */
  readonly signature: string;
  readonly size: number;
  /** ms since the epoch. */
  readonly modifiedAt: number;
}

export interface Scan {
  /** Ascending by path. */
  readonly files: readonly SeenFile[];
  /** Directories, the root first: what to watch. */
  readonly directories: readonly string[];
  /** What could not be looked at. */
  readonly findings: readonly Finding[];
  /** Paths, or directories with a final `/`, below which nothing is known now: what came from there stays. */
  readonly unknown: readonly string[];
}

const finding = (code: string, file: string, message: string, hint?: string): Finding => ({
  code,
  severity: 'error',
  message,
  file,
  ...(hint === undefined ? {} : { hint }),
});

export const reasonOf = (error: unknown): string => {
  const code = (error as NodeJS.ErrnoException).code;
  switch (code) {
    case 'ENOENT':
      return 'it is not there';
    case 'EACCES':
    case 'EPERM':
      return 'no permission';
    case 'ENOTDIR':
      return 'it is not a directory';
    default:
      return code ?? (error instanceof Error ? error.message : String(error));
  }
};

/** Hidden names are swap files of editors, `.git`, and the inner directories of mounted configuration. */
const isHidden = (name: string): boolean => name.startsWith('.') || name.endsWith('~');

/**
 * All document files (`.yaml`, `.yml`, `.json`) below `root`, hidden ones left out. Linked files are followed, linked directories
 * are not. Rejects only when the root itself cannot be read.
 */
export const scanDirectory = async (root: string): Promise<Scan> => {
  const files: SeenFile[] = [];
  const directories: string[] = [];
  const findings: Finding[] = [];
  const unknown: string[] = [];
  const waiting: { readonly path: string; readonly depth: number }[] = [{ path: '', depth: 0 }];
  const look = async (path: string): Promise<void> => {
    try {
      const info = await stat(join(root, path));
      if (!info.isFile()) return;
      const signature = `${info.size}:${info.mtimeMs}:${info.ctimeMs}:${info.ino}`;
      files.push({ path, signature, size: info.size, modifiedAt: info.mtimeMs });
    } catch (error) {
      // Gone between listing and looking: as if it had not been listed.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      unknown.push(path);
      findings.push(finding('DIR_UNREADABLE', path, `cannot look at the file: ${reasonOf(error)}`));
    }
  };
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { path, depth } = next;
    try {
      for await (const entry of await opendir(join(root, path))) {
        if (isHidden(entry.name)) continue;
        const below = path === '' ? entry.name : `${path}/${entry.name}`;
        if (entry.isDirectory()) {
          if (depth < MAX_DEPTH) waiting.push({ path: below, depth: depth + 1 });
          else findings.push(finding('DIR_LIMIT', below, `directories nested deeper than ${MAX_DEPTH} are not read`));
        } else if (DOCUMENT_FILE.test(entry.name)) {
          if (files.length < MAX_FILES) await look(below);
          else unknown.push(below);
        }
      }
      directories.push(path);
    } catch (error) {
      if (path === '') throw error;
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      unknown.push(`${path}/`);
      findings.push(finding('DIR_UNREADABLE', path, `cannot read the directory: ${reasonOf(error)}`));
    }
  }
  if (files.length >= MAX_FILES)
    findings.push(finding('DIR_LIMIT', '', `more than ${MAX_FILES} files: the others are not read`));
  files.sort((a, b) => compareText(a.path, b.path));
  return { files, directories, findings, unknown };
};

/** The text of a file; undefined when it is no UTF-8. Rejects when it cannot be read. */
export const readText = async (root: string, path: string): Promise<string | undefined> => {
  const bytes = await readFile(join(root, path));
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    return undefined;
  }
};
