/** How a toy application calls another one through its sidecar: HTTP, gRPC and TCP, each with the time it took. */
import { request } from 'node:http';
import { createConnection } from 'node:net';
import { Client, credentials } from '@grpc/grpc-js';

/** Method that every toy gRPC service answers. */
export const TOY_METHOD = '/demo.Toy/Call';
const TIMEOUT_MS = 5_000;
const identity = (bytes: Buffer): Buffer => bytes;

/** GET with the service's host name, to the sidecar's outbound port. Rejects for anything but 200. */
export const callHttp = (address: string, port: number, host: string, path: string): Promise<void> =>
  new Promise((done, fail) => {
    const call = request({ host: address, port, path, headers: { host }, timeout: TIMEOUT_MS }, (response) => {
      response.resume();
      response.once('end', () =>
        response.statusCode === 200 ? done() : fail(new Error(`HTTP ${response.statusCode} from ${host}${path}`)),
      );
    });
    call.once('timeout', () => call.destroy(new Error(`no answer from ${host} in ${TIMEOUT_MS} ms`)));
    call.once('error', fail);
    call.end();
  });

/** One gRPC channel per callee, so that calls reuse connections as a real application does. */
export class GrpcCaller {
  readonly #clients = new Map<string, Client>();

  call(address: string, port: number, authority: string): Promise<void> {
    const key = `${address}:${port}/${authority}`;
    let client = this.#clients.get(key);
    if (client === undefined) {
      client = new Client(`${address}:${port}`, credentials.createInsecure(), { 'grpc.default_authority': authority });
      this.#clients.set(key, client);
    }
    const called = client;
    return new Promise((done, fail) => {
      called.makeUnaryRequest(
        TOY_METHOD,
        identity,
        identity,
        Buffer.from(authority),
        { deadline: Date.now() + TIMEOUT_MS },
        (error) => (error === null ? done() : fail(error)),
      );
    });
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}

/** Sends four bytes and waits until they come back. */
export const callTcp = (address: string, port: number): Promise<void> =>
  new Promise((done, fail) => {
    const socket = createConnection({ host: address, port, timeout: TIMEOUT_MS });
    socket.once('connect', () => socket.write('PING'));
    socket.once('data', () => {
      socket.end();
      done();
    });
    socket.once('timeout', () => socket.destroy(new Error(`no answer on port ${port} in ${TIMEOUT_MS} ms`)));
    socket.once('close', () => fail(new Error(`port ${port} closed without an answer`)));
    socket.once('error', fail);
  });
