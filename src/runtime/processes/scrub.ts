/** Process of one pass of the scrub, started by the core, with the lowest priority. */
import { constants, setPriority } from 'node:os';
import type { FromScrub, ScrubJob, ToScrub } from '../scrub/messages.ts';
import { type ScrubPace, scrubPass } from '../scrub/pass.ts';

const job = JSON.parse(process.argv[2] ?? '{}') as ScrubJob;
const TOLD_MS = 250;

try {
  setPriority(constants.priority.PRIORITY_LOW);
} catch {
  // Then with the priority it has.
}

let goOn: (() => void) | undefined;
let paused: Promise<void> | undefined;
process.on('message', (message: ToScrub) => {
  if (message.on) paused ??= new Promise((resolve) => (goOn = resolve));
  else {
    goOn?.();
    paused = undefined;
  }
});
process.on('disconnect', () => process.exit(0));

let readAt = performance.now();
const pace: ScrubPace = {
  after: async (bytes) => {
    await paused;
    const now = performance.now();
    readAt = Math.max(readAt, now - 100) + (bytes / job.bytesPerSecond) * 1_000;
    await new Promise((resolve) => (readAt > now ? setTimeout(resolve, readAt - now) : setImmediate(resolve)));
  },
};

const send = (message: FromScrub): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });

let toldAt = Number.NEGATIVE_INFINITY;
let told = '';
/** A new part or table is never left out, and has left this process when the promise resolves: what is read next may end it. */
const tell = async (message: FromScrub): Promise<void> => {
  if (message.t !== 'progress') return send(message);
  const place = `${message.part} ${message.table}`;
  if (place === told && performance.now() - toldAt < TOLD_MS) return;
  toldAt = performance.now();
  told = place;
  await send(message);
};

await scrubPass(job, pace, tell);
process.disconnect();
