/**
 * A reader that is killed: `reader-child DIR`. It begins to read the environment of `reader-rounds.ts` and stops in the middle, so that
 * its read transaction stays open; then it says so, and waits for its end.
 */
import { openEnvironment } from '../../src/store/index.ts';
import { READER_ENVIRONMENT } from './reader-rounds.ts';

const [dir = ''] = process.argv.slice(2);
const environment = await openEnvironment({ ...READER_ENVIRONMENT, dir, readOnly: true });
const rows = environment.table<number>('rows').range()[Symbol.iterator]();
rows.next();
process.on('message', () => rows.next());
process.send?.('reading');
