/**
 * Child of failing-disk.test.ts, run under strace, which slows fdatasync down or makes it fail.
 * `slow DIR MODE`: tells whether a commit resolves before it is on disk.
 * `fail DIR MODE`: commits until the disk fails, then tells what is left. Ends by a signal: the heap may be damaged.
 */
import { TendrilError } from '../../src/model/index.ts';
import { type CommitMode, openEnvironment } from '../../src/store/index.ts';

const [command, dir = '', mode = ''] = process.argv.slice(2);
const unhandled: string[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(String(reason)));
const environment = await openEnvironment({
  dir,
  name: 'state',
  mesh: 'm',
  schema: { name: 'test', version: 1 },
  mode: mode as CommitMode,
});
const table = environment.table<number>('numbers');
const commit = (n: number): Promise<void> =>
  environment.commit((batch) => batch.put(table, n, Buffer.from(`value ${n}`)));
const codeOf = (error: unknown): string => (error instanceof TendrilError ? error.code : String(error));

const slow = async (): Promise<void> => {
  await commit(1);
  let onDisk = false;
  const flushed = environment.flushed().then(() => {
    onDisk = true;
  });
  // Enough turns for a promise that is already kept, not for a slow disk.
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  process.send?.({ readable: table.get(1)?.toString(), onDisk });
  await flushed;
  await environment.close();
  process.disconnect();
};

const fail = async (): Promise<void> => {
  let committed = 0;
  const codes: string[] = [];
  while (codes.length < 3) {
    await commit(committed)
      .then(() => committed++)
      .catch((error: unknown) => codes.push(codeOf(error)));
  }
  const flushed = await environment.flushed().catch(codeOf);
  const first = table.get(0)?.toString();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await environment.close();
  const report = { committed, codes, flushed, first, failure: environment.failure?.code, unhandled };
  process.send?.(report, () => process.kill(process.pid, 'SIGKILL'));
};

await (command === 'slow' ? slow() : fail());
