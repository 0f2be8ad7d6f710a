/** The size of the heap after everything that can go has gone. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const turn = (): Promise<void> => new Promise((done) => setTimeout(done, 10));

/**
 * Waits until heap and buffers are at most `bound` bytes; gives what they are in the end. What waits for timers goes a little later, and
 * a single look finds it.
 */
export const heapWithin = async (bound: number): Promise<number> => {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 20 && least > bound; look++) {
    if (look > 0) await new Promise((done) => setTimeout(done, 250));
    least = Math.min(least, await settledHeap());
  }
  return least;
};

/** Bytes of heap and buffers in use. */
export const settledHeap = async (): Promise<number> => {
  for (let round = 0; round < 3; round++) {
    await turn();
    collect();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
