/** What must not stay behind when the process ends in the middle (second Ctrl-C, a fault): processes and temporary folders. */

const undos = new Set<() => void>();
let listening = false;

/** Runs `undo` when the process exits, unless the returned function was called before. `undo` must be synchronous. */
export const atExit = (undo: () => void): (() => void) => {
  if (!listening) {
    listening = true;
    process.once('exit', () => {
      for (const each of [...undos].reverse()) each();
    });
  }
  undos.add(undo);
  return () => void undos.delete(undo);
};
