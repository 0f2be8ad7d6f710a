/** `tendril snapshot export|import`: all of a mesh in one file, from a server or a directory, into a directory. */
import { exportData, importData, packageVersion, wholeSnapshot, writeSnapshotFile } from '../../runtime/index.ts';
import { type Arguments, flag, formatOf, type Options, parse, text, usageError } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command, Io } from '../command.ts';
import { render } from '../output.ts';
import { bytesFrom, dataOf, progress, sized } from '../transfer.ts';

const OPTIONS: Options = {
  server: { type: 'string' },
  data: { type: 'string' },
  mesh: { type: 'string' },
  'no-log': { type: 'boolean' },
  force: { type: 'boolean' },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
};

interface Source {
  readonly offset: number;
  readonly hash: string;
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly close: () => Promise<void>;
}

/** A running server unless a directory is named. */
const open = async (args: Arguments, io: Io): Promise<Source> => {
  const withLog = !flag(args, 'no-log');
  if (text(args, 'data') === undefined) {
    const { headers, bytes } = await clientFor(args, io).bytes('/v1/snapshot', { log: withLog ? 1 : 0 }, io.signal);
    return {
      offset: Number(headers.get('x-tendril-offset')),
      hash: headers.get('x-tendril-hash') ?? '',
      bytes,
      close: async () => undefined,
    };
  }
  if (text(args, 'server') !== undefined) throw usageError('--data and --server exclude each other');
  const { header, bytes, close } = await exportData({ ...dataOf(args, io), withLog, createdBy: packageVersion() });
  return { offset: header.offset, hash: header.hash, bytes, close };
};

const exportTo = async (file: string, args: Arguments, io: Io): Promise<number> => {
  const format = formatOf(args);
  const source = await open(args, io);
  const say = progress(io, 'snapshot');
  let written = 0;
  const bytes = wholeSnapshot(source.bytes);
  try {
    if (file === '-')
      for await (const piece of bytes) {
        await io.outBytes(piece);
        written += piece.length;
        say(sized(written));
      }
    else written = await writeSnapshotFile(file, bytes, (count) => say(sized(count)));
  } finally {
    await source.close();
  }
  const { offset, hash } = source;
  const shown = render(
    format,
    { file, offset, hash, bytes: written },
    () => `${file}: snapshot at offset ${offset}, ${sized(written)}, state hash ${hash}`,
    () => [hash],
  );
  // Standard output is the snapshot.
  if (file === '-') io.err(shown);
  else io.out(shown);
  return 0;
};

const importFrom = async (file: string, args: Arguments, io: Io): Promise<number> => {
  const format = formatOf(args);
  const { dir, mesh } = dataOf(args, io);
  const say = progress(io, 'snapshot');
  const { header, movedAside } = await importData(async () => bytesFrom(file, io), {
    dir,
    mesh,
    force: flag(args, 'force'),
    now: io.now,
    onProgress: (bytes) => say(sized(bytes)),
  });
  const { offset, hash } = header;
  io.out(
    render(
      format,
      { data: dir, offset, hash, movedAside },
      () =>
        [
          `${dir}: proven and installed, goes on from offset ${offset}, state hash ${hash}`,
          ...movedAside.map((name) => `  what was there: ${name}`),
        ].join('\n'),
      () => [hash],
    ),
  );
  return 0;
};

export const snapshot: Command = {
  usage: 'snapshot export|import FILE|- [options]',
  options: OPTIONS,
  help: [
    'export FILE   from a running server; with --data from the directory of a stopped one',
    'import FILE   into a directory on which no server runs; everything is proven before anything is touched',
    '',
    '--server URL  default http://127.0.0.1:18001',
    '--data DIR    data directory (import: default ./tendril-data)',
    '--mesh NAME   default "default"',
    '--no-log      state only: smaller, and history begins at its offset',
    '--force       import: move what is there aside (DIR/*.before-TIME)',
    '-o FORMAT     table, wide, json, yaml, name (the state hash)',
  ],
  examples: [
    'tendril snapshot export mesh.snapshot',
    'tendril snapshot import mesh.snapshot --data ./copy',
    'tendril snapshot export - | gzip > mesh.snapshot.gz',
  ],
  run: async (argv, io) => {
    const args = parse('snapshot', argv, OPTIONS, { min: 2, max: 2, usage: snapshot.usage });
    const [what, file = '-'] = args.positionals;
    if (what === 'export') return exportTo(file, args, io);
    if (what === 'import') return importFrom(file, args, io);
    throw usageError(`snapshot: "${what}" is neither export nor import`);
  },
};
