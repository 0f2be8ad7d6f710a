/** A toy application of the demo: listens with its real protocol, and on each request calls those it depends on. */
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import type { Protocol } from '../../model/index.ts';
import { TOY_METHOD } from './calls.ts';

export interface ToyService {
  readonly port: number;
  /** Requests answered so far. */
  served(): number;
  close(): Promise<void>;
}

/** What the application does for one request; `path` is '' where the protocol has none. */
export type Work = (path: string) => Promise<void>;

const ADDRESS = '127.0.0.1';
const identity = (bytes: Buffer): Buffer => bytes;

const startHttp = (work: Work): Promise<ToyService> => {
  let served = 0;
  const server = createHttpServer((request, response) => {
    served++;
    request.resume();
    work(request.url ?? '/').then(
      () => response.end('ok\n'),
      (error: unknown) => {
        response.statusCode = 502;
        response.end(`${String(error)}\n`);
      },
    );
  });
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(0, ADDRESS, () =>
      done({
        port: (server.address() as AddressInfo).port,
        served: () => served,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      }),
    );
  });
};

const startGrpc = (work: Work): Promise<ToyService> => {
  let served = 0;
  const server = new Server();
  server.addService(
    {
      call: {
        path: TOY_METHOD,
        requestStream: false,
        responseStream: false,
        requestSerialize: identity,
        requestDeserialize: identity,
        responseSerialize: identity,
        responseDeserialize: identity,
      },
    },
    {
      call: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
        served++;
        work('').then(
          () => callback(null, call.request),
          (error: unknown) => callback({ code: 14, details: String(error) }),
        );
      },
    },
  );
  return new Promise((done, fail) => {
    server.bindAsync(`${ADDRESS}:0`, ServerCredentials.createInsecure(), (error, port) => {
      if (error !== null) return fail(error);
      done({
        port,
        served: () => served,
        close: () => {
          server.forceShutdown();
          return Promise.resolve();
        },
      });
    });
  });
};

const startTcp = (work: Work): Promise<ToyService> => {
  let served = 0;
  const server = createTcpServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      served++;
      work('').then(
        () => socket.write(chunk),
        () => socket.destroy(),
      );
    });
  });
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(0, ADDRESS, () =>
      done({
        port: (server.address() as AddressInfo).port,
        served: () => served,
        close: () => new Promise((closed) => server.close(() => closed())),
      }),
    );
  });
};

/** Starts a toy service on a free loopback port. */
export const startToyService = (protocol: Protocol, work: Work): Promise<ToyService> => {
  if (protocol === 'tcp') return startTcp(work);
  return protocol === 'http' ? startHttp(work) : startGrpc(work);
};
