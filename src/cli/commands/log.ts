/** `tendril log dump|import`: the event log as lines of JSON. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { TendrilError } from '../../model/index.ts';
import { dumpLog, importLog } from '../../runtime/index.ts';
import { type Arguments, formatOf, integer, type Options, parse, text, usageError } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command, Io } from '../command.ts';
import { plural, render } from '../output.ts';
import { postLines } from '../post-lines.ts';
import { bytesFrom, dataOf, linesOf, progress } from '../transfer.ts';

const OPTIONS: Options = {
  server: { type: 'string' },
  data: { type: 'string' },
  mesh: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
};

const exclusive = (args: Arguments): void => {
  if (text(args, 'data') !== undefined && text(args, 'server') !== undefined)
    throw usageError('--data and --server exclude each other');
};

/** To a file, or to stdout. @throws TendrilError `FILE_UNWRITABLE` */
const writeTo = async (file: string, pieces: AsyncIterable<Uint8Array>, io: Io): Promise<void> => {
  if (file === '-') {
    for await (const piece of pieces) await io.outBytes(piece);
    return;
  }
  const stream = createWriteStream(file, { mode: 0o600 });
  try {
    await once(stream, 'open');
    for await (const piece of pieces) if (!stream.write(piece)) await once(stream, 'drain');
    stream.end();
    await once(stream, 'close');
  } catch (cause) {
    stream.destroy();
    if (cause instanceof TendrilError) throw cause;
    throw new TendrilError('FILE_UNWRITABLE', `${file} cannot be written (${(cause as NodeJS.ErrnoException).code})`, {
      remedy: 'name another file, or - for standard output',
      cause,
    });
  }
};

async function* encoded(pieces: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield Buffer.from(piece);
}

const dump = async (file: string, args: Arguments, io: Io): Promise<number> => {
  const from = integer(args, 'from', 1, Number.MAX_SAFE_INTEGER);
  const to = integer(args, 'to', 1, Number.MAX_SAFE_INTEGER);
  const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  const pieces =
    text(args, 'data') === undefined
      ? (await clientFor(args, io).bytes('/v1/log', range, io.signal)).bytes
      : encoded(dumpLog({ ...dataOf(args, io), ...range }));
  await writeTo(file, pieces, io);
  return 0;
};

const load = async (file: string, args: Arguments, io: Io): Promise<number> => {
  const format = formatOf(args);
  const lines = linesOf(bytesFrom(file, io));
  const say = progress(io, 'log import');
  if (text(args, 'data') === undefined) {
    const sent = await postLines(lines, clientFor(args, io), (count) => say(plural(count, 'event')));
    io.out(
      render(
        format,
        sent,
        () =>
          `${plural(sent.applied, 'event')} applied, ${sent.duplicate} there already, ${sent.refused} refused, ` +
          `${sent.skipped} left out (Tendril writes them itself, or they are unreadable)`,
        () => [String(sent.applied)],
      ),
    );
    return 0;
  }
  const { dir, mesh } = dataOf(args, io);
  const loaded = await importLog(lines, { dir, mesh, onProgress: (offset) => say(plural(offset, 'event')) });
  io.out(
    render(
      format,
      { data: dir, ...loaded },
      () => `${dir}: ${plural(loaded.offset, 'event')}, hash chain ${loaded.chain}`,
      () => [loaded.chain],
    ),
  );
  return 0;
};

export const log: Command = {
  usage: 'log dump|import FILE|- [options]',
  options: OPTIONS,
  help: [
    'dump FILE     one event per line; from a running server, or with --data from the directory of a stopped one',
    'import FILE   with --data: into a new log, same offsets and bytes; else its events through the API of a server',
    '',
    '--server URL  default http://127.0.0.1:18001',
    '--data DIR    data directory',
    '--mesh NAME   default "default"',
    '--from N      dump: first offset',
    '--to N        dump: last offset',
    '-o FORMAT     import: table, wide, json, yaml, name',
  ],
  examples: ['tendril log dump - --from 1000 --to 1010', 'tendril log import events.ndjson --data ./copy'],
  run: async (argv, io) => {
    const args = parse('log', argv, OPTIONS, { min: 1, max: 2, usage: log.usage });
    const [what, file = '-'] = args.positionals;
    exclusive(args);
    if (what === 'dump') return dump(file, args, io);
    if (what === 'import') return load(file, args, io);
    throw usageError(`log: "${what}" is neither dump nor import`);
  },
};
