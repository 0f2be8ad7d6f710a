/** `tendril://[<client>]/<host>[:<port>]` for grpc-js: asks for the host, then gives each call its route. */
import type { ChannelOptions, experimental } from '@grpc/grpc-js';
import { grpcJs } from '../grpc-js.ts';
import { configOf } from './config-selector.ts';
import { callerOf, type GrpcCaller } from './registry.ts';

export const SCHEME = 'tendril';
export const POLICY = 'tendril';

/** How often an authority is said to be in use while a channel for it is open, ms. */
const TOUCH_MS = 10_000;

type Listener = experimental.ResolverListener;

export class TendrilResolver implements experimental.Resolver {
  readonly #authority: string;
  readonly #name: string;
  readonly #listener: Listener;
  readonly #caller: GrpcCaller | undefined;
  #asking = false;
  #open = false;
  #forget: (() => void) | undefined;
  #touching: NodeJS.Timeout | undefined;

  constructor(target: experimental.GrpcUri, listener: Listener, _options: ChannelOptions) {
    this.#name = target.authority ?? '';
    this.#authority = target.path.replace(/^\/+/, '').toLowerCase();
    this.#listener = listener;
    this.#caller = callerOf(this.#name);
  }

  static getDefaultAuthority(target: experimental.GrpcUri): string {
    return target.path.replace(/^\/+/, '');
  }

  updateResolution(): void {
    this.#open = true;
    const caller = this.#caller;
    if (caller === undefined) {
      const which = this.#name === '' ? 'no client is registered' : `no client "${this.#name}" is registered`;
      setImmediate(() => this.#fail(`${which}: call registerTendril before the first channel is made`));
      return;
    }
    if (this.#forget === undefined) {
      // A host that was released, or came into being, is asked for again as long as there is a channel for it.
      this.#forget = caller.source.onChange(({ kind }) => {
        if (kind === 'virtualHost' && caller.source.virtualHostOf(this.#authority) === undefined) this.#ask(caller);
      });
      this.#touching = setInterval(() => caller.source.touch(this.#authority), TOUCH_MS);
      this.#touching.unref();
    }
    this.#ask(caller);
  }

  destroy(): void {
    this.#open = false;
    this.#forget?.();
    this.#forget = undefined;
    clearInterval(this.#touching);
  }

  #ask(caller: GrpcCaller): void {
    if (this.#asking) return;
    this.#asking = true;
    caller.source
      .ready(this.#authority)
      .then(
        (found) =>
          found
            ? this.#found(caller)
            : this.#fail('no service of the mesh that this caller may use (CALL_UNKNOWN_HOST)'),
        (error: Error) => this.#fail(error.message),
      )
      .finally(() => {
        this.#asking = false;
      });
  }

  #found(caller: GrpcCaller): void {
    if (!this.#open) return;
    const { experimental } = grpcJs();
    const selector: experimental.ConfigSelector = {
      invoke: (method, metadata) => configOf(caller, this.#authority, method, metadata),
      unref: () => undefined,
    };
    this.#listener(
      experimental.statusOrFromValue([]),
      { [experimental.CHANNEL_ARGS_CONFIG_SELECTOR_KEY]: selector },
      experimental.statusOrFromValue({ loadBalancingConfig: [{ [POLICY]: { client: this.#name } }], methodConfig: [] }),
      '',
    );
  }

  #fail(why: string): void {
    if (!this.#open) return;
    const { experimental, Metadata, status } = grpcJs();
    const details = `${this.#authority}: ${why}`;
    const error = { code: status.UNAVAILABLE, details, metadata: new Metadata() };
    this.#listener(experimental.statusOrFromError(error), {}, null, '');
  }
}
