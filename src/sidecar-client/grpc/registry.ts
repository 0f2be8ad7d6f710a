/** Callers by the name in `tendril://<name>/<host>`. grpc-js has one table of schemes for the process, so this one is for the process too. */
import type { CallCore } from '../calls/index.ts';
import type { ConfigSource } from '../config-source.ts';
import type { TraceRules } from '../trace-context.ts';

export interface GrpcCaller {
  readonly core: CallCore;
  readonly source: ConfigSource;
  readonly trace: TraceRules;
  readonly nowMs: () => number;
}

const callers = new Map<string, GrpcCaller>();

/** The first one that was registered and still is; or the one of that name. */
export const callerOf = (name: string): GrpcCaller | undefined =>
  name === '' ? callers.values().next().value : callers.get(name);

/** False: the name is taken. */
export const addCaller = (name: string, caller: GrpcCaller): boolean => {
  if (callers.has(name)) return false;
  callers.set(name, caller);
  return true;
};

export const removeCaller = (name: string): void => void callers.delete(name);
