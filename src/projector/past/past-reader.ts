/** Earlier states and graphs, by offset. Both are read through one history index, which is dropped when none of them is kept any more. */
import { TendrilError } from '../../model/index.ts';
import { HistoryIndex } from './history-index.ts';
import { KEEP_MS, KeptReads, MAX_WAITING, type ReadCounters } from './kept-reads.ts';
import type { PastEntitiesOptions } from './past-entities.ts';
import { PastGraph } from './past-graph.ts';
import { PastMesh } from './past-mesh.ts';
import { PastState } from './past-state.ts';
import { Turns } from './past-turns.ts';
import { type DiffPage, type DiffQuery, entityDiff, stateDiff } from './state-diff.ts';

export interface PastReaderOptions extends Omit<PastEntitiesOptions, 'index'> {
  /** Callers that refer to a service now. */
  readonly callersOf: (service: string) => Iterable<string>;
  /** As `Projector.atRest` and `Projector.waitFor`. */
  readonly atRest: (look: (offset: number) => void) => void;
  readonly waitFor: (offset: number) => Promise<unknown>;
}

export class PastReader {
  /** Of graphs and states together; `refused` counts questions about one of them, too. */
  readonly counters: ReadCounters = { read: 0, reused: 0, refused: 0 };
  readonly #options: PastReaderOptions;
  readonly #graphs: KeptReads<PastGraph>;
  readonly #states: KeptReads<PastState>;
  readonly #diffs: Turns;
  #idle: NodeJS.Timeout | undefined;
  #index: HistoryIndex | undefined;

  constructor(options: PastReaderOptions) {
    this.#options = options;
    const onIdle = (): void => this.#dropIfIdle();
    this.#diffs = new Turns(MAX_WAITING, 'questions about what changed', () => this.counters.refused++);
    this.#graphs = new KeptReads((at) => this.#graphAt(at), this.counters, onIdle);
    this.#states = new KeptReads((at) => this.#stateAt(at), this.counters, onIdle);
  }

  /**
   * The dependency graph as it was behind event `at` (0: before the first one), read without a replay.
   * @throws TendrilError `OFFSET_INVALID` beyond the log, `OFFSET_GONE`, `STATE_BUSY`, `STATE_CLOSED`
   */
  async graphAt(at: number): Promise<PastGraph> {
    await this.#arrived(at);
    return this.#graphs.at(at);
  }

  /**
   * Documents, services, endpoints and raw resources as they were behind event `at` (0: before the first one).
   * @throws TendrilError as `graphAt`
   */
  async stateAt(at: number): Promise<PastState> {
    await this.#arrived(at);
    return this.#states.at(at);
  }

  /**
   * Entities that differ between two offsets; a page of them, or one by its subject.
   * @throws TendrilError as `graphAt`
   */
  async diff(query: DiffQuery & { readonly subject?: string }): Promise<DiffPage> {
    const { from, to, subject } = query;
    for (const at of [from, to]) await this.#arrived(at);
    return this.#diffs.take(async () => {
      this.counters.read++;
      clearTimeout(this.#idle);
      try {
        if (subject === undefined) return await stateDiff(this.#entities(), query);
        return { entities: await entityDiff(this.#entities(), { from, to, subject }), next: undefined };
      } finally {
        this.#idle = setTimeout(() => this.#dropIfIdle(), KEEP_MS).unref();
      }
    });
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#graphs.clear();
    this.#states.clear();
    this.#index = undefined;
  }

  #dropIfIdle(): void {
    if (this.#graphs.isIdle && this.#states.isIdle && this.#diffs.size === 0) this.#index = undefined;
  }

  async #arrived(at: number): Promise<void> {
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
  }

  /** The history begins later now: nothing that was read before counts. */
  forget(): void {
    this.close();
  }

  #entities(): PastEntitiesOptions {
    this.#index ??= new HistoryIndex(this.#options.queries);
    return { ...this.#options, index: this.#index };
  }

  #stateAt(at: number): Promise<PastState> {
    return PastState.open(this.#entities(), at, () => this.counters.refused++);
  }

  async #graphAt(at: number): Promise<PastGraph> {
    const mesh = await PastMesh.open(this.#entities(), at);
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
}
