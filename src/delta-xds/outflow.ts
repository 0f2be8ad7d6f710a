/** What one stream has written and its transport has not yet taken: when its session is held, goes on, or is given up. */
import type { StreamContext } from './stream-context.ts';
import type { TransportStream } from './transport.ts';

export interface OutflowOwner {
  /** Above `heldBytes`, or the transport is full: no further responses until `onDrained`. */
  onFull(): void;
  /** Everything has been taken; called in a turn of its own. */
  onDrained(): void;
  /** Above `resetBytes`. */
  onOverflow(): void;
}

export class Outflow {
  readonly #context: Pick<StreamContext, 'counters' | 'limits' | 'later' | 'onPush'>;
  readonly #transport: TransportStream;
  readonly #owner: OutflowOwner;
  /** Written and not yet taken by the transport, bytes. */
  #inFlight = 0;
  /** The same with no response counted above `responseBytes`: one resource may be larger than any bound. */
  #weight = 0;
  #held = false;
  #drainWanted = false;
  #closed = false;
  /** Written since the begin. */
  responses = 0;
  bytes = 0;

  constructor(
    context: Pick<StreamContext, 'counters' | 'limits' | 'later' | 'onPush'>,
    transport: TransportStream,
    owner: OutflowOwner,
  ) {
    this.#context = context;
    this.#transport = transport;
    this.#owner = owner;
  }

  write(message: Uint8Array): void {
    const { counters, limits, onPush } = this.#context;
    const { length } = message;
    counters.responses++;
    counters.responseBytes += length;
    this.responses++;
    this.bytes += length;
    const weight = Math.min(length, limits.responseBytes);
    this.#inFlight += length;
    this.#weight += weight;
    counters.inFlightBytes += length;
    onPush?.('before');
    const room = this.#transport.write(message, () => {
      if (this.#closed) return;
      this.#inFlight -= length;
      this.#weight -= weight;
      counters.inFlightBytes -= length;
      if (this.#inFlight === 0 && this.#drainWanted) this.wantDrained();
    });
    onPush?.('after');
    if (this.#weight > limits.resetBytes) {
      counters.resets++;
      this.#owner.onOverflow();
    } else if ((!room || this.#inFlight > limits.heldBytes) && !this.#held) {
      this.#held = true;
      counters.held++;
      this.#owner.onFull();
      this.wantDrained();
    }
  }

  /** Asks for `onDrained`: in a later turn when nothing is in flight, else when it has been taken. */
  wantDrained(): void {
    this.#drainWanted = this.#inFlight > 0;
    if (this.#drainWanted) return;
    this.#context.later(() => {
      if (this.#closed) return;
      if (this.#inFlight > 0) {
        this.wantDrained();
        return;
      }
      this.#held = false;
      this.#owner.onDrained();
    });
  }

  /** What is in flight counts no longer. */
  close(): void {
    this.#closed = true;
    this.#context.counters.inFlightBytes -= this.#inFlight;
    this.#inFlight = 0;
  }
}
