/** Child of writer-lock.test.ts: `lock-child DIR` takes the lock and waits; with `race` it does so whenever it is told. */
import { TendrilError } from '../../src/model/index.ts';
import { acquireWriterLock, type WriterLock } from '../../src/store/writer-lock.ts';

const [dir = '', mode] = process.argv.slice(2);
let lock: WriterLock | undefined;

const acquire = (): void => {
  try {
    lock = acquireWriterLock(dir);
    process.send?.('held');
  } catch (error) {
    process.send?.(error instanceof TendrilError ? error.code : String(error));
  }
};

process.on('message', (message) => {
  if (message === 'go') return acquire();
  lock?.release();
  lock = undefined;
  process.send?.('released');
});
if (mode === 'race') process.send?.('ready');
else acquire();
