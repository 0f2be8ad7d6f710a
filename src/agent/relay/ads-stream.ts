/** Carries out one relay session: Envoy's stream on one side, the way to a control plane on the other. */
import { status } from '@grpc/grpc-js';
import { GRPC_PATHS } from '../../proto/index.ts';
import type { HostPort } from '../../sidecar-client/index.ts';
import type { RelayEffect, RelayForm, RelayMachine } from './effect.ts';
import type { LastGood } from './last-good.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { RelaySession } from './session.ts';
import type { EnvoyCall } from './side-stream.ts';
import { StateSession } from './state-session.ts';
import { Uplink, type UplinkOptions } from './uplink.ts';

export interface AdsStreamOptions
  extends Pick<UplinkOptions, 'upstreams' | 'underWay' | 'credentials' | 'backoff' | 'random'> {
  readonly form: RelayForm;
  /** Of all streams together. */
  readonly budget: MemoryBudget;
  /** The last good configuration of a node; told once, with the stream's first message. Throws when there are too many. */
  readonly lastGood: (nodeId: string) => LastGood;
  /** Another stream of this node holds it. */
  readonly heldElsewhere: (stream: AdsStream, typeUrl: string, name: string) => boolean;
  readonly onUp: (to: HostPort) => void;
  readonly onDown: (why: string) => void;
  /** Envoy has acknowledged something of a control plane. */
  readonly onKept: (kept: LastGood) => void;
  /** Once for each time without a control plane: the last good configuration has answered. */
  readonly onAlone: (lastGood: LastGood) => void;
  /** Called before anything of the stream's state changes. */
  readonly onClose: (stream: AdsStream) => void;
}

/** R5: time for Envoy to answer what it was sent, ms; a cluster that warms answers late (`initial_fetch_timeout` 2 s). */
const SETTLE_MS = 3_000;
/** How long an Envoy that holds nothing waits for a control plane that took its questions and says nothing, ms. */
const STARVING_MS = 1_000;
/** Bytes for a control plane that may wait: beyond, it is left. */
const MAX_UNSENT_BYTES = 16 * 2 ** 20;

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export class AdsStream {
  readonly session: RelayMachine;
  readonly form: RelayForm;
  readonly #call: EnvoyCall;
  readonly #uplink: Uplink;
  readonly #options: AdsStreamOptions;
  #lastGood: LastGood | undefined;
  #settle: NodeJS.Timeout | undefined;
  #starving: NodeJS.Timeout | undefined;
  #closed = false;
  /** `onAlone` was called since a control plane answered. */
  #alone = false;

  constructor(call: EnvoyCall, options: AdsStreamOptions) {
    this.#call = call;
    this.#options = options;
    this.form = options.form;
    const lastGood = (nodeId: string): LastGood => {
      this.#lastGood = options.lastGood(nodeId);
      return this.#lastGood;
    };
    const given = { lastGood, budget: options.budget };
    this.session = this.form === 'delta' ? new RelaySession(given) : new StateSession(given);
    this.#uplink = new Uplink({
      ...options,
      path: GRPC_PATHS[this.form],
      onReady: (to) => {
        options.onUp(to);
        this.#run(this.session.onReady());
        this.#watch();
      },
      onMessage: (bytes) => this.#fromControlPlane(bytes),
      onLost: (why) => {
        clearTimeout(this.#settle);
        clearTimeout(this.#starving);
        options.onDown(why);
        this.#run(this.session.onLost());
      },
    });
    call.on('data', (bytes: Buffer) => this.#fromEnvoy(bytes));
    call.on('end', () => this.end());
    call.on('cancelled', () => this.#over());
    call.on('error', () => this.#over());
    this.#uplink.start();
  }

  /** Of its node; undefined before Envoy's first message. */
  get lastGood(): LastGood | undefined {
    return this.#lastGood;
  }

  /** A control plane stands behind what Envoy holds. */
  get confirmed(): boolean {
    return this.session.state === 'up' && !this.session.starving;
  }

  #fromEnvoy(bytes: Buffer): void {
    if (this.#closed) return;
    try {
      const before = this.session.state;
      this.#run(this.session.onRequest(bytes));
      if (before !== 'up') this.#watch();
    } catch (error) {
      this.#closed = true;
      this.#call.emit('error', { code: status.INVALID_ARGUMENT, details: textOf(error) });
      this.#over();
    }
  }

  #fromControlPlane(bytes: Buffer): void {
    clearTimeout(this.#starving);
    try {
      this.#run(this.session.onResponse(bytes));
    } catch (error) {
      this.#uplink.lost(textOf(error));
    }
  }

  /** A control plane whose kernel accepts and whose process stands still must not cost a starting Envoy its configuration. */
  #watch(): void {
    clearTimeout(this.#starving);
    if (!this.session.starving) return;
    this.#starving = setTimeout(() => {
      if (this.session.starving) this.#uplink.lost(`no answer within ${STARVING_MS} ms`);
    }, STARVING_MS);
  }

  #run(effects: readonly RelayEffect[]): void {
    const { state } = this.session;
    if (state === 'up') this.#alone = false;
    let kept = false;
    for (const effect of effects) {
      if (this.#closed) return;
      switch (effect.kind) {
        case 'to-envoy':
          this.#toEnvoy(effect.bytes);
          break;
        case 'to-control-plane':
          this.#uplink.send(effect.bytes);
          break;
        case 'keep':
          this.#lastGood?.keep(effect.typeUrl, effect.resource);
          kept = true;
          break;
        case 'drop':
          if (!this.#options.heldElsewhere(this, effect.typeUrl, effect.name))
            this.#lastGood?.drop(effect.typeUrl, effect.name);
          break;
        case 'settle':
          clearTimeout(this.#settle);
          this.#settle = setTimeout(() => {
            this.#run(this.session.onSettleOver());
            this.#watch();
          }, SETTLE_MS);
          break;
      }
    }
    if (this.#lastGood !== undefined) {
      if (kept) this.#options.onKept(this.#lastGood);
      if (state === 'away' && !this.#alone && effects.some(({ kind }) => kind === 'to-envoy')) {
        this.#alone = true;
        this.#options.onAlone(this.#lastGood);
      }
    }
    if (this.#uplink.unsent > MAX_UNSENT_BYTES) this.#uplink.lost('it does not read what it is sent');
  }

  #toEnvoy(bytes: Uint8Array): void {
    if (this.#call.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))) return;
    // An Envoy that does not read holds the control plane up, as it would without a relay.
    this.#uplink.pause();
    this.#call.once('drain', () => this.#uplink.resume());
  }

  end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#call.end();
    this.#over();
  }

  #over(): void {
    this.#closed = true;
    clearTimeout(this.#settle);
    clearTimeout(this.#starving);
    this.#uplink.close();
    this.#options.onClose(this);
    this.session.onEnd();
  }
}
