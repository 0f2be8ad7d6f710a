/**
 * Subchannels of a channel, one for each endpoint picked so far. Connecting begins when one is looked at. Without `requestsPerConnection`
 * channels share them, as grpc-js has it; with it they are the channel's own, and after so many calls another takes the place. Invariant:
 * a subchannel is let go when no call that was picked for it is still to begin; those that have begun end in peace.
 */
import { type ChannelOptions, connectivityState, type experimental } from '@grpc/grpc-js';
import type { CallEndpoint } from '../calls/index.ts';

/** As `maxRequestsPerConnection` of a cluster without limits. */
const UNLIMITED = 4_294_967_295;

/** Makes subchannels unlike: grpc-js shares those with equal options. */
const OWN = 'tendril.connection';
let own = 0;

interface Entry {
  readonly subchannel: experimental.SubchannelInterface;
  readonly forget: () => void;
  readonly isOwn: boolean;
  calls: number;
  /** Picked for, not begun. */
  due: number;
  isGone: boolean;
}

export class Subchannels {
  readonly #helper: experimental.ChannelControlHelper;
  readonly #onChange: () => void;
  readonly #all = new Map<string, Entry>();
  options: ChannelOptions = {};

  constructor(helper: experimental.ChannelControlHelper, onChange: () => void) {
    this.#helper = helper;
    this.#onChange = onChange;
  }

  /** `maxCalls`: of one connection. */
  of(
    endpoint: CallEndpoint,
    maxCalls: number,
  ): {
    readonly subchannel: experimental.SubchannelInterface;
    readonly state: connectivityState;
    /** A call will begin on it; returns what is to be called when it has, or when it will not. */
    readonly take: () => () => void;
  } {
    const { key } = endpoint;
    const isOwn = maxCalls < UNLIMITED;
    let entry = this.#all.get(key);
    // A limit has come or gone.
    if (entry !== undefined && entry.isOwn !== isOwn) entry = this.#replace(key, entry);
    entry ??= this.#create(endpoint, isOwn);
    const { subchannel } = entry;
    const state = subchannel.getConnectivityState();
    // In TRANSIENT_FAILURE this asks for another attempt after its backoff.
    if (state === connectivityState.IDLE || state === connectivityState.TRANSIENT_FAILURE) subchannel.startConnecting();
    return { subchannel, state, take: () => this.#take(key, entry, maxCalls) };
  }

  keepOnly(keys: ReadonlySet<string>): void {
    for (const [key, entry] of this.#all) if (!keys.has(key)) this.#replace(key, entry);
  }

  close(): void {
    this.keepOnly(new Set());
  }

  #take(key: string, entry: Entry, maxCalls: number): () => void {
    entry.calls += 1;
    entry.due += 1;
    if (entry.isOwn && entry.calls >= maxCalls) this.#replace(key, entry);
    let isDue = true;
    return () => {
      if (!isDue) return;
      isDue = false;
      entry.due -= 1;
      if (entry.isGone && entry.due === 0) entry.forget();
    };
  }

  #replace(key: string, entry: Entry): undefined {
    if (this.#all.get(key) === entry) this.#all.delete(key);
    if (entry.isGone) return;
    entry.isGone = true;
    if (entry.due === 0) entry.forget();
  }

  #create({ key, address: host, port }: CallEndpoint, isOwn: boolean): Entry {
    const options = isOwn ? { ...this.options, [OWN]: ++own } : this.options;
    const subchannel = this.#helper.createSubchannel({ host, port }, options);
    subchannel.ref();
    const listen = (): void => this.#onChange();
    subchannel.addConnectivityStateListener(listen);
    const entry: Entry = {
      subchannel,
      isOwn,
      calls: 0,
      due: 0,
      isGone: false,
      forget: () => {
        subchannel.removeConnectivityStateListener(listen);
        subchannel.unref();
      },
    };
    this.#all.set(key, entry);
    return entry;
  }
}
