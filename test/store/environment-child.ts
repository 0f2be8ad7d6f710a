/**
 * Child of environment.test.ts.
 * `write DIR MODE`: opens the environment, commits 100 records, says so and waits to be killed.
 * `checkpoint DIR MODE`: the same with a checkpoint at its end; `later DIR MODE`: with a commit after that.
 * `read DIR KEY`: opens it for reading, tells the value, and does so again whenever it is sent a key.
 */
import { TendrilError } from '../../src/model/index.ts';
import { type CommitMode, openEnvironment } from '../../src/store/index.ts';

const [command, dir = '', argument = ''] = process.argv.slice(2);
const base = { dir, name: 'state', mesh: 'm', schema: { name: 'test', version: 1 } };

const write = async (): Promise<void> => {
  const environment = await openEnvironment({ ...base, mode: argument as CommitMode });
  const table = environment.table<number>('numbers');
  for (let n = 0; n < 100; n++) await environment.commit((batch) => batch.put(table, n, Buffer.from(`value ${n}`)));
  await environment.flushed();
  if (command !== 'write') await environment.checkpoint();
  if (command === 'later') await environment.commit((batch) => batch.put(table, 0, Buffer.from('later')));
  process.send?.('written');
};

const read = async (): Promise<void> => {
  const environment = await openEnvironment({ ...base, readOnly: true });
  const table = environment.table<number>('numbers');
  const tell = async (key: number): Promise<void> => {
    environment.refresh();
    const value = table.get(key)?.toString();
    const refused = await environment
      .commit((batch) => batch.remove(table, key))
      .catch((error: unknown) => (error instanceof TendrilError ? error.code : String(error)));
    process.send?.({ value, id: environment.id, refused });
  };
  process.on('message', (key) => void tell(Number(key)));
  await tell(Number(argument));
};

await (command === 'read' ? read() : write());
// Until it is killed.
process.on('message', () => undefined);
