/**
 * A replay in a process that has no clock: `clockless-child DIR MESH` folds the log of a directory after everything that tells the time
 * throws, derives what is served, and tells offset, hash and number of resources.
 */
import { allEndpoints, createDeriver, createRun, NOTHING_STORED } from '../../src/projector/parts.ts';
import { inSlices } from '../../src/projector/turns.ts';
import { readLog } from './replay.ts';

const [dir = '', mesh = ''] = process.argv.slice(2);
const records = await readLog(dir, mesh);

const noClock = (): never => {
  throw new Error('somebody reads the clock');
};
const RealDate = Date;
globalThis.Date = new Proxy(RealDate, {
  apply: noClock,
  // A time that is given is data, no clock.
  construct: (target, values: unknown[]) => (values.length === 0 ? noClock() : Reflect.construct(target, values)),
  get: (target, name) => (name === 'now' ? noClock : Reflect.get(target, name)),
});
Object.defineProperty(performance, 'now', { value: noClock });
Object.defineProperty(process, 'hrtime', { value: Object.assign(noClock, { bigint: noClock }) });
Object.defineProperty(Math, 'random', { value: noClock });

const run = createRun({ mesh });
for (const record of records) run.apply(record);
const hash = run.stateHash();
const deriver = createDeriver(run.fold, NOTHING_STORED, undefined);
deriver.loaded();
const derived = await inSlices(deriver.deriveAll(allEndpoints(run), NOTHING_STORED), 64);
let throws = 0;
for (const read of [() => Date.now(), () => new Date(), () => performance.now(), () => Math.random()])
  try {
    read();
  } catch {
    throws++;
  }
process.send?.({ offset: run.offset, hash, resources: derived.resources.size, throws });
process.disconnect();
