/** Long work in slices: others get their turn of the event loop in between. */

/** Lets everything that waits run once. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs a generator to its end, `steps` steps at a time. */
export const inSlices = async <T>(work: Generator<void, T>, steps: number): Promise<T> => {
  for (let step = 1; ; step++) {
    const { done, value } = work.next();
    if (done === true) return value;
    if (step % steps === 0) await nextTurn();
  }
};
