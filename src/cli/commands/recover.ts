/** `tendril recover`: after a gap or damage, a data directory from a replica or a snapshot, in one command. */
import { importData } from '../../runtime/index.ts';
import { flag, formatOf, type Options, parse, text, usageError } from '../arguments.ts';
import { AdminClient } from '../client.ts';
import type { Command } from '../command.ts';
import { render } from '../output.ts';
import { bytesFrom, dataOf, progress, sized } from '../transfer.ts';

const OPTIONS: Options = {
  data: { type: 'string' },
  mesh: { type: 'string' },
  from: { type: 'string' },
  'no-log': { type: 'boolean' },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
};

export const recover: Command = {
  usage: 'recover --from URL|FILE [--data DIR]',
  options: OPTIONS,
  help: [
    '--from URL|FILE  HTTP API of a running replica, or a snapshot (`tendril snapshot export`)',
    '--data DIR       default ./tendril-data; `tendril serve` must not run on it',
    '--mesh NAME      default "default"',
    '--no-log         from a replica: the state only, without the log before it',
    '-o FORMAT        table, wide, json, yaml, name (the state hash)',
    '',
    'The snapshot is proven by its state hash and its hash chain before anything is touched; what was there is moved aside.',
  ],
  examples: ['tendril recover --data /var/lib/tendril --from http://127.0.0.1:18101'],
  run: async (argv, io) => {
    const args = parse('recover', argv, OPTIONS, { min: 0, max: 0, usage: recover.usage });
    const from = text(args, 'from');
    if (from === undefined) throw usageError('recover: --from is missing: a URL or a file', 'tendril recover --help');
    const format = formatOf(args);
    const { dir, mesh } = dataOf(args, io);
    const say = progress(io, 'recover');
    const source = async (): Promise<AsyncIterable<Uint8Array>> => {
      if (!/^https?:/.test(from)) return bytesFrom(from, io);
      const query = { log: flag(args, 'no-log') ? 0 : 1 };
      return (await new AdminClient(from).bytes('/v1/snapshot', query, io.signal)).bytes;
    };
    const { header, movedAside } = await importData(source, {
      dir,
      mesh,
      force: true,
      now: io.now,
      onProgress: (bytes, { offset }) => say(`${sized(bytes)} of the snapshot at offset ${offset}`),
    });
    const { offset, hash } = header;
    io.out(
      render(
        format,
        { data: dir, from, offset, hash, movedAside },
        () =>
          [
            `${dir}: recovered from ${from}: proven, state hash ${hash}; goes on from offset ${offset}`,
            ...movedAside.map((name) => `  what was there: ${name}`),
          ].join('\n'),
        () => [hash],
      ),
    );
    return 0;
  },
};
