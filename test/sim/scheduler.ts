/**
 * Simulated time and order of events.
 *
 * Invariants
 * T1 One task runs at a time, the earliest first; of two at the same time the one that was planned first.
 * T2 A task and all that follows from it by promises is one turn. After it, what the turn left to `setImmediate` runs, one after the
 *    other, each with its promises; nothing else comes in between. What these leave runs in the next turn.
 * T3 A task belongs to a process; when the process is dead it does not run.
 * T4 Time moves only from task to task: the machine's clock is not read, and nothing waits for it.
 */

/** Something that can die: tasks of the dead do not run. */
export interface Owner {
  readonly name: string;
  readonly alive: boolean;
}

interface Task {
  readonly at: number;
  readonly order: number;
  readonly owner: Owner | undefined;
  readonly run: () => void;
  cancelled: boolean;
}

interface Immediate {
  readonly owner: Owner | undefined;
  readonly run: () => void;
}

// Taken before anything is put in their place.
const { setImmediate: realImmediate } = globalThis;

/** Lets every promise that can go on do so: Node empties its queue of microtasks before the next immediate. */
const drain = (): Promise<void> => new Promise((resolve) => realImmediate(resolve));

export class Scheduler {
  /** ms since the start of the run. */
  now = 0;
  /** Whose task is running. */
  current: Owner | undefined;
  turns = 0;
  /** A heap by time, then order. */
  readonly #tasks: Task[] = [];
  #immediates: Immediate[] = [];
  #order = 0;

  /** Plans a task; gives how to call it off. */
  after(ms: number, owner: Owner | undefined, run: () => void): () => void {
    const task: Task = { at: this.now + Math.max(0, ms), order: ++this.#order, owner, run, cancelled: false };
    this.#push(task);
    return () => {
      task.cancelled = true;
    };
  }

  /** For the end of the turn (T2). */
  immediate(run: () => void): void {
    this.#immediates.push({ owner: this.current, run });
  }

  /** Runs one turn; false when there is nothing to run up to `until`, ms. */
  async turn(until: number): Promise<boolean> {
    const task = this.#next(until);
    if (task === undefined && this.#immediates.length === 0) return false;
    this.turns++;
    if (task !== undefined) {
      this.now = Math.max(this.now, task.at);
      await this.#run(task);
    }
    const immediates = this.#immediates;
    this.#immediates = [];
    for (const immediate of immediates) await this.#run(immediate);
    return true;
  }

  /** T3. A task that throws ends the run. */
  async #run({ owner, run }: Immediate): Promise<void> {
    if (owner?.alive === false) return;
    this.current = owner;
    run();
    await drain();
    this.current = undefined;
  }

  #next(until: number): Task | undefined {
    for (let first = this.#tasks[0]; first !== undefined; first = this.#tasks[0]) {
      if (first.cancelled || first.owner?.alive === false) this.#pop();
      else return first.at <= until ? this.#pop() : undefined;
    }
    return undefined;
  }

  #push(task: Task): void {
    const heap = this.#tasks;
    let at = heap.push(task) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(task, heap[above])) break;
      heap[at] = heap[above] as Task;
      at = above;
    }
    heap[at] = task;
  }

  #pop(): Task | undefined {
    const heap = this.#tasks;
    const [first] = heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1], heap[below])) below++;
      if (!isBefore(heap[below], last)) break;
      heap[at] = heap[below] as Task;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

const isBefore = (a: Task | undefined, b: Task | undefined): boolean =>
  a !== undefined && b !== undefined && (a.at < b.at || (a.at === b.at && a.order < b.order));
