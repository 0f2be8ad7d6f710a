/**
 * Readers of an environment, over all processes. LMDB cannot use pages again that a reader may still look at, so one that stays makes the
 * file grow (reference/reliability.md, finding 5).
 */

/** A place in LMDB's table of readers that is in use. */
export interface Reader {
  readonly pid: number;
  readonly thread: string;
  /** Number of the commit that it sees. */
  readonly commit: number;
}

/** LMDB's list: a line of titles, then `pid thread txnid`; `-` in place of a number: the place is kept, but nothing is read. */
export const parseReaders = (text: string): readonly Reader[] =>
  text.split('\n').flatMap((line) => {
    const [, pid, thread = '', commit] = /^\s*(\d+)\s+([0-9a-f]+)\s+(\d+)\s*$/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), thread, commit: Number(commit) }];
  });

export interface ReaderAges {
  /** Readers that see some commit. */
  readonly inUse: number;
  /** How long the one that has stayed longest on a commit that is not the newest was seen there, ms; 0: there is none. */
  readonly oldestMs: number;
  /** Its process. */
  readonly oldestPid: number | undefined;
}

/** LMDB does not tell since when a reader reads; this remembers it from look to look. */
export class ReaderWatch {
  #since = new Map<string, { readonly commit: number; readonly at: number }>();

  /** `now` in ms of any clock that does not go back; `newest`: number of the newest commit. */
  look(readers: readonly Reader[], newest: number, now: number): ReaderAges {
    const seen = new Map<string, { readonly commit: number; readonly at: number }>();
    let oldestMs = 0;
    let oldestPid: number | undefined;
    for (const { pid, thread, commit } of readers) {
      // Whoever sees the newest commit keeps nothing from being used again.
      if (commit >= newest) continue;
      const key = `${pid}/${thread}`;
      const before = this.#since.get(key);
      const known = before?.commit === commit ? before : { commit, at: now };
      seen.set(key, known);
      if (now - known.at >= oldestMs) {
        oldestMs = now - known.at;
        oldestPid = pid;
      }
    }
    this.#since = seen;
    return { inUse: readers.length, oldestMs, oldestPid };
  }
}
