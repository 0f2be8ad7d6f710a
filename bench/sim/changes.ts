/** Changes of a run: numbered, posted at their time, and noted so that arrivals can be told. */
import { monotonicMs } from './clock.ts';
import type { ControlPlane } from './control-plane.ts';
import { churnOf, type SimEvent, type SimMesh } from './mesh.ts';
import type { Propagation } from './propagation.ts';
import type { Recorder } from './recorder.ts';

/** POSTs on their way; beyond it the next one waits, and its time runs all the same: a server that is slow to answer gains nothing by it. */
const MOST_IN_FLIGHT = 64;

export class Changes {
  readonly #mesh: SimMesh;
  readonly #server: ControlPlane;
  readonly #holders: readonly number[];
  readonly #recorder: Recorder;
  readonly #inFlight = new Set<Promise<void>>();
  /** Endpoint -> its last change. */
  readonly #last = new Map<string, { readonly change: number; readonly propagation: Propagation }>();
  #number = 0;
  #failure: unknown;

  constructor(mesh: SimMesh, server: ControlPlane, holders: readonly number[], recorder: Recorder) {
    this.#mesh = mesh;
    this.#server = server;
    this.#holders = holders;
    this.#recorder = recorder;
  }

  /** Moves one endpoint; does not wait for the answer. `at`: when it should be sent, monotonic ms. */
  async move(service: number, endpoint: number, propagation: Propagation, at = monotonicMs()): Promise<void> {
    await this.#room();
    const change = ++this.#number;
    const event = this.#mesh.move(service, endpoint, change);
    this.#note(change, service, endpoint, propagation, at);
    this.#post(event);
  }

  /** Registers another pod in the place of one, does not wait for the answer, and gives the event that takes the old one away. */
  async replace(service: number, endpoint: number, propagation: Propagation): Promise<SimEvent> {
    const at = monotonicMs();
    await this.#room();
    const change = ++this.#number;
    const { come, gone } = this.#mesh.replace(service, endpoint, change);
    this.#note(change, service, endpoint, propagation, at);
    this.#post(come);
    return gone;
  }

  async #room(): Promise<void> {
    while (this.#inFlight.size >= MOST_IN_FLIGHT) await Promise.race(this.#inFlight);
  }

  #note(change: number, service: number, endpoint: number, propagation: Propagation, at: number): void {
    const key = `${service}/${endpoint}`;
    const before = this.#last.get(key);
    before?.propagation.overtaken(before.change);
    this.#last.set(key, { change, propagation });
    propagation.posted(change, at, this.#holders[service] ?? 0);
  }

  #post(event: SimEvent): void {
    this.#recorder.changes++;
    const post: Promise<void> = this.#server
      .post([event])
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#inFlight.delete(post));
    this.#inFlight.add(post);
  }

  /** `perSecond` for `seconds`, or until the signal. */
  async steady(
    rates: { readonly churn: number; readonly hot: number; readonly seconds: number },
    churn: Propagation,
    hot: Propagation,
    signal: AbortSignal,
  ): Promise<void> {
    const began = monotonicMs();
    const end = began + rates.seconds * 1_000;
    const lane = async (perSecond: number, act: (index: number, at: number) => Promise<void>): Promise<void> => {
      for (let index = 0; perSecond > 0 && !signal.aborted; index++) {
        const due = began + (index * 1_000) / perSecond;
        if (due >= end) return;
        const wait = due - monotonicMs();
        if (wait > 0) await new Promise((next) => setTimeout(next, wait));
        // One that is late because those before it had to wait was due earlier; a timer's lateness is not the server's.
        await act(index, wait > 0 ? monotonicMs() : due);
      }
    };
    const draws = churnOf(this.#mesh);
    const size = this.#mesh.counts[0] ?? 1;
    const idle = async (): Promise<void> => {
      while (!signal.aborted && monotonicMs() < end) await new Promise((next) => setTimeout(next, 100));
    };
    await Promise.all([
      lane(rates.churn, async (_, at) => {
        const { value } = draws.next();
        if (value !== undefined) await this.move(value[0], value[1], churn, at);
      }),
      lane(rates.hot, (index, at) => this.move(0, index % size, hot, at)),
      idle(),
    ]);
    await this.settle();
  }

  /** Waits for all answers; throws what one of them failed with. */
  async settle(): Promise<void> {
    await Promise.all(this.#inFlight);
    if (this.#failure !== undefined) throw this.#failure;
  }
}
