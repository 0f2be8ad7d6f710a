/** Files and streams of commands that carry a lot: where they come from, where they go, how far they are. */
import { createReadStream } from 'node:fs';
import { TendrilError } from '../model/index.ts';
import { type Arguments, text } from './arguments.ts';
import type { Io } from './command.ts';
import { bytes as showBytes } from './output.ts';

const SAY_EVERY_MS = 1_000;

/** Data directory and mesh of a command that works on files. */
export const dataOf = (args: Arguments, io: Pick<Io, 'env'>): { readonly dir: string; readonly mesh: string } => ({
  dir: text(args, 'data') ?? io.env.TENDRIL_DATA ?? './tendril-data',
  mesh: text(args, 'mesh') ?? io.env.TENDRIL_MESH ?? 'default',
});

/** Says at most once a second how far it is, to stderr. */
export const progress = (io: Pick<Io, 'err' | 'now'>, what: string): ((text: string) => void) => {
  let said = io.now();
  return (text) => {
    if (io.now() - said < SAY_EVERY_MS) return;
    said = io.now();
    io.err(`${what}: ${text}`);
  };
};

export const sized = (count: number): string => showBytes(count);

/** Bytes of a file, or of stdin for `-`. @throws TendrilError `FILE_UNREADABLE` */
export async function* bytesFrom(file: string, io: Pick<Io, 'stdin'>): AsyncGenerator<Uint8Array> {
  try {
    yield* file === '-' ? io.stdin() : createReadStream(file, { highWaterMark: 2 ** 18 });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new TendrilError('FILE_UNREADABLE', `${file} cannot be read (${code})`, {
      remedy: 'name a file that is there, or - for standard input',
      cause,
    });
  }
}

/** Lines of a text in UTF-8, without their ends. Bound: a line of 64 MiB (`LOG_LINE`). */
export async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  let number = 0;
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      number++;
      yield line;
    }
    if (rest.length > 2 ** 26)
      throw new TendrilError('LOG_LINE', `line ${number + 1} has more than 64 MiB`, {
        remedy: 'give the lines of `tendril log dump` as they are',
      });
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}
