/** File events of a tree of directories. They only shorten the wait for the next look: losing some costs time, nothing else. */
import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import type { IngestLogger } from '../ports.ts';
import { reasonOf } from './scan.ts';

/** Beyond that the poll has to do. */
const MAX_WATCHED = 1_000;

export class DirWatch {
  readonly #root: string;
  readonly #logger: IngestLogger;
  readonly #onTouch: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #told = false;

  constructor(root: string, logger: IngestLogger, onTouch: () => void) {
    this.#root = root;
    this.#logger = logger;
    this.#onTouch = onTouch;
  }

  /** Watches exactly these directories (paths below the root). */
  sync(directories: readonly string[]): void {
    const wanted = new Set(directories.slice(0, MAX_WATCHED));
    for (const path of [...this.#watchers.keys()]) if (!wanted.has(path)) this.#drop(path);
    for (const path of wanted) if (!this.#watchers.has(path)) this.#add(path);
  }

  close(): void {
    for (const path of [...this.#watchers.keys()]) this.#drop(path);
  }

  #add(path: string): void {
    try {
      const watcher = watch(join(this.#root, path), { persistent: false }, () => this.#onTouch());
      watcher.on('error', () => this.#drop(path));
      this.#watchers.set(path, watcher);
    } catch (error) {
      // Gone in between, or the system's limit of watches.
      if (this.#told) return;
      this.#told = true;
      this.#logger.warn({ directory: path, reason: reasonOf(error) }, 'cannot watch a directory, looking at intervals');
    }
  }

  #drop(path: string): void {
    this.#watchers.get(path)?.close();
    this.#watchers.delete(path);
  }
}
