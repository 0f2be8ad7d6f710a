/** A mesh of two services with real servers behind them, compiled as for an Envoy and called by the client; time by hand. */
import type { TestContext } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import type { EndpointView } from '../../../src/compile/index.ts';
import { type Caller, type CallerOptions, createCaller } from '../../../src/sidecar-client/caller.ts';
import { compileAll, mesh, port, service } from '../../compile/support.ts';
import { type HttpBackend, startHttp2Backend, startHttpBackend } from '../../support/backends.ts';
import { ECHO_PATHS, type GrpcBackend, startGrpcBackend } from '../../support/stream-backends.ts';
import { Held, seeded } from '../calls/held.ts';

export const PAY = 'pay.shop';
export const ECHO = 'echo.shop';

export interface WorldOptions extends Partial<Pick<CallerOptions, 'passthrough' | 'replayBytes' | 'maxCalls'>> {
  /** Documents. */
  readonly yaml?: string;
  /** Of both services; `ports` are filled in. Default: `a`, `b`, `c`. */
  readonly endpoints?: readonly (Partial<EndpointView> & { readonly at: number })[];
  readonly zone?: string;
}

export interface World {
  readonly caller: Caller;
  readonly held: Held;
  /** `http://pay.shop` + path: the id of who answered when it is 200, else the status, else the code of the failure. */
  http(path?: string, init?: { method?: string; headers?: Record<string, string>; body?: string }): Promise<string>;
  /** Unary: the id of who answered, else the status name. */
  grpc(options?: { metadata?: Record<string, string>; deadlineMs?: number; path?: string }): Promise<string>;
  /** So many calls, one after the other: answers and how often. */
  many(count: number, one: () => Promise<string>): Promise<Readonly<Record<string, number>>>;
  pass(ms: number): void;
  /** Of grpc-js. */
  target(authority: string): string;
}

let worlds = 0;

export const codeOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
    return 'no error';
  } catch (error) {
    const { cause, code } = error as { cause?: { code?: string }; code?: string };
    return cause?.code ?? code ?? String(error);
  }
};

export const world = (t: TestContext, { yaml = '', endpoints, zone, ...options }: WorldOptions): World => {
  const views = (endpoints ?? []).map(({ at, ...fields }, index) => ({
    id: `e${index}`,
    address: '127.0.0.1',
    ports: { 80: at, 81: at, 82: at },
    ...fields,
  }));
  const held = new Held({ region: zone === undefined ? '' : 'r', zone: zone ?? '' }).putAll(
    compileAll(
      mesh({
        services: [
          service(PAY, { ports: [port(80, 'http'), port(81, 'http'), port(82, 'http2')] }),
          service(ECHO, { ports: [port(80, 'grpc'), port(81, 'grpc')] }),
        ],
        endpoints: { [PAY]: views, [ECHO]: views },
        yaml,
      }),
    ),
  );
  let now = 0;
  const caller = createCaller({ source: held, random: seeded(7), nowMs: () => now, ...options });
  const name = `w${++worlds}`;
  caller.registerGrpc(name);
  const clients = new Map<string, grpc.Client>();
  const client = (authority: string): grpc.Client => {
    const made =
      clients.get(authority) ?? new grpc.Client(`tendril://${name}/${authority}`, grpc.credentials.createInsecure());
    clients.set(authority, made);
    return made;
  };
  t.after(async () => {
    for (const one of clients.values()) one.close();
    await caller.close({ now: true });
  });
  const bytes = (value: Buffer): Buffer => value;
  return {
    caller,
    held,
    http: async (path = '/', init = {}) => {
      const url = path.startsWith('http') ? path : `http://${PAY}${path}`;
      try {
        const response = await caller.fetch(url, init);
        await response.arrayBuffer();
        return response.status === 200 ? (response.headers.get('x-backend') ?? '') : String(response.status);
      } catch (error) {
        return codeOf(Promise.reject(error));
      }
    },
    grpc: ({ metadata = {}, deadlineMs = 5_000, path = ECHO_PATHS.unary } = {}) => {
      const keys = new grpc.Metadata();
      for (const [key, value] of Object.entries(metadata)) keys.set(key, value);
      const [authority = ''] = /^echo\.shop:\d+/.exec(path) ?? [`${ECHO}:80`];
      const method = path.slice(path.indexOf('/'));
      return new Promise((done) => {
        const deadline = Date.now() + deadlineMs;
        client(authority).makeUnaryRequest(
          method,
          bytes,
          bytes,
          Buffer.from('x'),
          keys,
          { deadline },
          (error, answer) =>
            done(error === null ? (String(answer).split(':')[0] ?? '') : (grpc.status[error.code] ?? '')),
        );
      });
    },
    many: async (count, one) => {
      const seen: Record<string, number> = {};
      for (let index = 0; index < count; index++) {
        const who = await one();
        seen[who] = (seen[who] ?? 0) + 1;
      }
      return seen;
    },
    target: (authority) => `tendril://${name}/${authority}`,
    pass: (ms) => {
      now += ms;
      caller.core.sweep(now);
    },
  };
};

export interface Servers<B> {
  readonly a: B;
  readonly b: B;
  readonly c: B;
  close(): Promise<void>;
}

const three = async <B extends { close(): Promise<void> }>(start: (id: string) => Promise<B>): Promise<Servers<B>> => {
  const [a, b, c] = [await start('a'), await start('b'), await start('c')];
  return { a, b, c, close: async () => void (await Promise.all([a, b, c].map((one) => one.close()))) };
};

export const httpServers = (): Promise<Servers<HttpBackend>> => three((id) => startHttpBackend({ id }));
/** They speak HTTP/2: for port 82 of `pay.shop`. */
export const http2Servers = (): Promise<Servers<HttpBackend>> => three((id) => startHttp2Backend({ id }));
export const grpcServers = (): Promise<Servers<GrpcBackend>> => three((id) => startGrpcBackend({ id }));
