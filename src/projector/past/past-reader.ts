/**
 * Gives graphs of the past, and keeps the last ones: pages of one answer, and both ends of a diff, come from what is read already.
 *
 * Bounds: one graph is read at a time, `MAX_WAITING` questions wait for their turn, more are refused (`STATE_BUSY`); `MAX_KEPT` graphs are
 * kept, each for `KEEP_MS` after its last use. All are counted.
 */
import { TendrilError } from '../../model/index.ts';
import { HistoryIndex } from './history-index.ts';
import type { PastEntitiesOptions } from './past-entities.ts';
import { PastGraph } from './past-graph.ts';
import { PastMesh } from './past-mesh.ts';

const MAX_WAITING = 8;
const MAX_KEPT = 2;
const KEEP_MS = 30_000;

export interface PastReaderOptions extends Omit<PastEntitiesOptions, 'index'> {
  /** Callers that refer to a service now. */
  readonly callersOf: (service: string) => Iterable<string>;
  /** As `Projector.atRest` and `Projector.waitFor`. */
  readonly atRest: (look: (offset: number) => void) => void;
  readonly waitFor: (offset: number) => Promise<unknown>;
}

interface Kept {
  readonly graph: PastGraph;
  readonly timer: NodeJS.Timeout;
}

export class PastReader {
  /** Graphs read, questions answered from one that was kept, questions refused at the bound. */
  readonly counters = { read: 0, reused: 0, refused: 0 };
  readonly #options: PastReaderOptions;
  readonly #kept = new Map<number, Kept>();
  /** Shared by the graphs that are kept, and dropped with the last of them. */
  #index: HistoryIndex | undefined;
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(options: PastReaderOptions) {
    this.#options = options;
  }

  /**
   * The dependency graph as it was behind event `at` (0: before the first one), read without a replay.
   * @throws TendrilError `OFFSET_INVALID` beyond the log, `OFFSET_GONE`, `STATE_BUSY`, `STATE_CLOSED`
   */
  async graphAt(at: number): Promise<PastGraph> {
    const { offset } = this.#options.log.head();
    if (!Number.isSafeInteger(at) || at < 0 || at > offset)
      throw new TendrilError('OFFSET_INVALID', `there is no offset ${at} yet; the newest one is ${offset}`, {
        remedy: `ask for 0..${offset}`,
      });
    const from = this.#options.queries.historyFrom();
    if (at < from)
      throw new TendrilError('OFFSET_GONE', `what was before offset ${from} is no longer known`, {
        remedy: `ask for ${from}..${offset}`,
      });
    await this.#options.waitFor(at);
    const known = this.#kept.get(at);
    if (known !== undefined) return this.#keep(at, known.graph, true);
    if (this.#waiting >= MAX_WAITING) {
      this.counters.refused++;
      throw new TendrilError('STATE_BUSY', `${MAX_WAITING} questions about earlier graphs wait already`, {
        remedy: 'try again in a moment',
      });
    }
    this.#waiting++;
    const before = this.#turn;
    let done = (): void => undefined;
    this.#turn = new Promise((resolve) => {
      done = resolve;
    });
    try {
      await before;
      const meanwhile = this.#kept.get(at)?.graph;
      return this.#keep(at, meanwhile ?? (await this.#read(at)), meanwhile !== undefined);
    } finally {
      this.#waiting--;
      done();
    }
  }

  /** The history begins later now: nothing that was read before counts. */
  forget(): void {
    this.close();
  }

  close(): void {
    for (const { timer } of this.#kept.values()) clearTimeout(timer);
    this.#kept.clear();
    this.#index = undefined;
  }

  async #read(at: number): Promise<PastGraph> {
    this.counters.read++;
    this.#index ??= new HistoryIndex(this.#options.queries);
    const mesh = await PastMesh.open({ ...this.#options, index: this.#index }, at);
    return new PastGraph(
      mesh,
      (service) => this.#callersNow(service),
      () => this.counters.refused++,
    );
  }

  async #callersNow(service: string): Promise<Iterable<string>> {
    const { atRest, callersOf, waitFor } = this.#options;
    const asked = await new Promise<{ readonly offset: number; readonly callers: Iterable<string> }>((resolve) =>
      atRest((offset) => resolve({ offset, callers: callersOf(service) })),
    );
    await waitFor(asked.offset);
    return asked.callers;
  }

  #keep(at: number, graph: PastGraph, reused: boolean): PastGraph {
    if (reused) this.counters.reused++;
    this.#drop(at);
    for (const oldest of [...this.#kept.keys()].slice(0, Math.max(0, this.#kept.size + 1 - MAX_KEPT)))
      this.#drop(oldest);
    this.#kept.set(at, { graph, timer: setTimeout(() => this.#drop(at), KEEP_MS).unref() });
    return graph;
  }

  #drop(at: number): void {
    clearTimeout(this.#kept.get(at)?.timer);
    this.#kept.delete(at);
    if (this.#kept.size === 0 && this.#waiting === 0) this.#index = undefined;
  }
}
