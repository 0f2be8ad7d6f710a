/**
 * A client's cache that is killed while it writes: `cache-kill-child DIR`. It writes one generation after another, each into all records
 * at once, and says the number of each as it begins; the one before it is committed by then.
 */
import { openCache } from '../../src/sidecar-client/cache.ts';
import { generationBody, KILLED_CACHE, NAMES } from './cache-killed.ts';

const [dir = '', first = '1'] = process.argv.slice(2);
let generation = Number(first);
const cache = await openCache({
  ...KILLED_CACHE,
  dir,
  writeMs: 1,
  now: Date.now,
  onProblem: ({ code, message }) => process.send?.({ problem: `${code}: ${message}` }),
  read: (_, name) => ({ name, version: `${generation}`, body: generationBody(generation) }),
  // Asked once in each write, last.
  asked: () => {
    process.send?.({ begun: generation });
    generation += 1;
    return { hosts: [`${generation - 1}`], clusters: [] };
  },
});
if (cache === undefined) throw new Error('no cache');
cache.noteChange('eds', NAMES);
setInterval(() => cache.noteChange('eds', NAMES), 1);
