/** Changes of a run: numbered, posted at their time, and noted so that arrivals can be told. */
import { monotonicMs } from './clock.ts';
import type { ControlPlane } from './control-plane.ts';
import { churnOf, type SimEvent, type SimMesh } from './mesh.ts';
import type { Propagation } from './propagation.ts';
import type { Recorder } from './recorder.ts';

/** POSTs on their way; beyond it the next one waits, and its time begins when it is sent. */
const MOST_IN_FLIGHT = 64;

export class Changes {
  readonly #mesh: SimMesh;
  readonly #server: ControlPlane;
  readonly #holders: readonly number[];
  readonly #recorder: Recorder;
  readonly #inFlight = new Set<Promise<void>>();
  #number = 0;
  #failure: unknown;

  constructor(mesh: SimMesh, server: ControlPlane, holders: readonly number[], recorder: Recorder) {
    this.#mesh = mesh;
    this.#server = server;
    this.#holders = holders;
    this.#recorder = recorder;
  }

  /** Moves one endpoint; does not wait for the answer. */
  async move(service: number, endpoint: number, propagation: Propagation): Promise<void> {
    await this.#room();
    const change = ++this.#number;
    const event = this.#mesh.move(service, endpoint, change);
    this.#post(event, () => propagation.posted(change, monotonicMs(), this.#holders[service] ?? 0));
  }

  /** Registers another pod in the place of one, does not wait for the answer, and gives the event that takes the old one away. */
  async replace(service: number, endpoint: number, propagation: Propagation): Promise<SimEvent> {
    await this.#room();
    const change = ++this.#number;
    const { come, gone } = this.#mesh.replace(service, endpoint, change);
    this.#post(come, () => propagation.posted(change, monotonicMs(), this.#holders[service] ?? 0));
    return gone;
  }

  async #room(): Promise<void> {
    while (this.#inFlight.size >= MOST_IN_FLIGHT) await Promise.race(this.#inFlight);
  }

  #post(event: SimEvent, note: () => void): void {
    this.#recorder.changes++;
    note();
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
    const lane = async (perSecond: number, act: (index: number) => Promise<void>): Promise<void> => {
      for (let index = 0; perSecond > 0 && !signal.aborted; index++) {
        const due = began + (index * 1_000) / perSecond;
        if (due >= end) return;
        const wait = due - monotonicMs();
        if (wait > 0) await new Promise((next) => setTimeout(next, wait));
        await act(index);
      }
    };
    const draws = churnOf(this.#mesh);
    const size = this.#mesh.counts[0] ?? 1;
    const idle = async (): Promise<void> => {
      while (!signal.aborted && monotonicMs() < end) await new Promise((next) => setTimeout(next, 100));
    };
    await Promise.all([
      lane(rates.churn, async () => {
        const { value } = draws.next();
        if (value !== undefined) await this.move(value[0], value[1], churn);
      }),
      lane(rates.hot, (index) => this.move(0, index % size, hot)),
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
