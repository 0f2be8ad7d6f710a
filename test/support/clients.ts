/** Small clients for the toy services: one call to a port (of a service, or of an Envoy's outbound listener) with a Host of its own. */
import { type Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import * as grpc from '@grpc/grpc-js';
import { ECHO_PATHS } from './stream-backends.ts';

export interface CallOptions {
  readonly port: number;
  /** Host or `:authority`; default `127.0.0.1:<port>`. */
  readonly authority?: string;
  readonly method?: string;
  /** Default `/`. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** HTTP/1.1: keeps connections; default a connection per request. */
  readonly agent?: Agent;
  /** Default 10,000. */
  readonly timeoutMs?: number;
}

export interface CallResult {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** From sending to the last byte of the answer. */
  readonly ms: number;
}

export const DEFAULT_TIMEOUT_MS = 60_000;
export const authorityOf = (options: { readonly port: number; readonly authority?: string }): string =>
  options.authority ?? `127.0.0.1:${options.port}`;

/** One HTTP/1.1 request. Rejects when there is no answer; every status resolves. */
export function callHttp(options: CallOptions): Promise<CallResult> {
  const { port, method = 'GET', path = '/', headers = {}, body, agent, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const call = httpRequest(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        headers: { host: authorityOf(options), ...headers },
        agent: agent ?? false,
      },
      (response: IncomingMessage) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          clearTimeout(timer);
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('utf8'),
            ms: performance.now() - start,
          });
        });
      },
    );
    const timer = setTimeout(
      () => call.destroy(new Error(`no answer from ${authorityOf(options)} in ${timeoutMs} ms`)),
      timeoutMs,
    );
    call.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    call.end(body);
  });
}

/** One HTTP/2 request without TLS, on a connection of its own. */
export function callHttp2(options: CallOptions): Promise<CallResult> {
  const { port, method = 'GET', path = '/', headers = {}, body, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const finish = (run: () => void) => {
      clearTimeout(timer);
      session.destroy();
      run();
    };
    const timer = setTimeout(
      () => finish(() => reject(new Error(`no answer from ${authorityOf(options)} in ${timeoutMs} ms`))),
      timeoutMs,
    );
    session.on('error', (error) => finish(() => reject(error)));
    const stream = session.request({
      ...headers,
      ':method': method,
      ':path': path,
      ':authority': authorityOf(options),
    });
    let received: CallResult['headers'] = {};
    const chunks: Buffer[] = [];
    stream.on('response', (response) => {
      received = response as CallResult['headers'];
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', (error) => finish(() => reject(error)));
    stream.on('end', () =>
      finish(() =>
        resolve({
          status: Number(received[':status'] ?? 0),
          headers: received,
          body: Buffer.concat(chunks).toString('utf8'),
          ms: performance.now() - start,
        }),
      ),
    );
    stream.end(body);
  });
}

export const same = (value: Buffer): Buffer => value;
export const grpcClient = (options: { readonly port: number; readonly authority?: string }): grpc.Client =>
  new grpc.Client(`127.0.0.1:${options.port}`, grpc.credentials.createInsecure(), {
    'grpc.default_authority': authorityOf(options),
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
  });
export const deadline = (timeoutMs = DEFAULT_TIMEOUT_MS): grpc.CallOptions => ({ deadline: Date.now() + timeoutMs });

/** One unary call of the toy gRPC service: its status, and the answer when the status is 0. */
export async function callGrpc(options: {
  readonly port: number;
  readonly authority?: string;
  readonly message: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}): Promise<{ readonly code: number; readonly details: string; readonly message: string }> {
  const client = grpcClient(options);
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
  try {
    return await new Promise((resolve) => {
      client.makeUnaryRequest(
        ECHO_PATHS.unary,
        same,
        same,
        Buffer.from(options.message),
        metadata,
        deadline(options.timeoutMs),
        (error, answer) => {
          if (error === null) resolve({ code: 0, details: '', message: (answer ?? Buffer.alloc(0)).toString('utf8') });
          else resolve({ code: error.code, details: error.details, message: '' });
        },
      );
    });
  } finally {
    client.close();
  }
}
