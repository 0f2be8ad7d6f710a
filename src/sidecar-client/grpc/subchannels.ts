/** Subchannels of a channel, one for each endpoint picked so far. Connecting begins when one is looked at. */
import type { ChannelOptions, connectivityState, experimental } from '@grpc/grpc-js';
import type { CallEndpoint } from '../calls/index.ts';
import { grpcJs } from '../grpc-js.ts';

export class Subchannels {
  readonly #helper: experimental.ChannelControlHelper;
  readonly #onChange: () => void;
  readonly #all = new Map<
    string,
    { readonly subchannel: experimental.SubchannelInterface; readonly forget: () => void }
  >();
  options: ChannelOptions = {};

  constructor(helper: experimental.ChannelControlHelper, onChange: () => void) {
    this.#helper = helper;
    this.#onChange = onChange;
  }

  of({ key, address, port }: CallEndpoint): {
    readonly subchannel: experimental.SubchannelInterface;
    readonly state: connectivityState;
  } {
    const known = this.#all.get(key)?.subchannel ?? this.#create(key, address, port);
    const state = known.getConnectivityState();
    const { IDLE, TRANSIENT_FAILURE } = grpcJs().connectivityState;
    // In TRANSIENT_FAILURE this asks for another attempt after its backoff.
    if (state === IDLE || state === TRANSIENT_FAILURE) known.startConnecting();
    return { subchannel: known, state };
  }

  keepOnly(keys: ReadonlySet<string>): void {
    for (const [key, { forget }] of this.#all)
      if (!keys.has(key)) {
        this.#all.delete(key);
        forget();
      }
  }

  close(): void {
    this.keepOnly(new Set());
  }

  #create(key: string, host: string, port: number): experimental.SubchannelInterface {
    const subchannel = this.#helper.createSubchannel({ host, port }, this.options);
    subchannel.ref();
    const listen = (): void => this.#onChange();
    subchannel.addConnectivityStateListener(listen);
    this.#all.set(key, {
      subchannel,
      forget: () => {
        subchannel.removeConnectivityStateListener(listen);
        subchannel.unref();
      },
    });
    return subchannel;
  }
}
