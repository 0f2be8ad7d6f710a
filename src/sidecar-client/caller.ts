/** Calls on a source of configuration: one core for HTTP and gRPC, so that both see the same load and the same ejections. */
import { fetch as undiciFetch } from 'undici';
import { type CallCore, createCallCore } from './calls/index.ts';
import type { ConfigSource } from './config-source.ts';
import { registerGrpc } from './grpc/index.ts';
import { type DispatcherOptions, MeshDispatcher } from './http/index.ts';

/** Ejections that are over are looked for so often, ms. */
const SWEEP_MS = 1_000;

export interface CallerOptions extends DispatcherOptions {
  readonly source: ConfigSource;
  /** Of a client that has one: it is used, and left to it: `close` and `sweep` are its own. Default: a core of its own. */
  readonly core?: CallCore;
  /** Address that calls come from, for the hash key `ip`. Default 127.0.0.1. */
  readonly sourceAddress?: string;
}

export interface Caller {
  readonly core: CallCore;
  readonly dispatcher: MeshDispatcher;
  /** `fetch` of undici for `http://<service>.<namespace>[:<port>]/…`. It rejects with a `TypeError` whose `cause` has the code. */
  readonly fetch: typeof undiciFetch;
  /** For `tendril://<name>/<host>` of grpc-js, as `registerTendril`. Taken back by `close`. */
  registerGrpc(name: string): void;
  /** Waits for the HTTP calls that run; `now`: cuts them. */
  close(options?: { readonly now?: boolean }): Promise<void>;
}

export const createCaller = (options: CallerOptions): Caller => {
  const { source, sourceAddress, random = Math.random, nowMs = () => performance.now() } = options;
  const core =
    options.core ?? createCallCore({ source, random, ...(sourceAddress === undefined ? {} : { sourceAddress }) });
  const dispatcher = new MeshDispatcher(core, source, { ...options, random, nowMs });
  const trace = { random, sampledShare: options.traceSampledShare ?? 0 };
  const sweeping = options.core === undefined ? setInterval(() => core.sweep(nowMs()), SWEEP_MS) : undefined;
  sweeping?.unref();
  const names: (() => void)[] = [];
  return {
    core,
    dispatcher,
    fetch: (input, init) => undiciFetch(input, { ...init, dispatcher }),
    registerGrpc: (name) => void names.push(registerGrpc(name, { core, source, trace, nowMs })),
    close: async ({ now = false } = {}) => {
      for (const forget of names) forget();
      await (now ? dispatcher.destroy() : dispatcher.close());
      clearInterval(sweeping);
      if (options.core === undefined) core.close();
    },
  };
};
