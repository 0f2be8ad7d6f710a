/** A gRPC server that does with the streams of a relay what the test says. */
import { after } from 'node:test';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { same } from '../../../src/agent/relay/uplink.ts';
import { GRPC_PATHS } from '../../../src/proto/index.ts';
import { until } from '../../cli/support/tendril.ts';

const open: { close(): unknown }[] = [];
after(async () => {
  for (const one of open.reverse()) await one.close();
});

/** Closed when the tests of the file are over, the last one first. */
export const kept = <T extends { close(): unknown }>(one: T): T => {
  open.push(one);
  return one;
};

export const eventually = (what: string, check: () => boolean): Promise<unknown> =>
  until(
    () => (check() ? true : undefined),
    () => what,
  );

export type Call = ServerDuplexStream<Buffer, Buffer>;

/** A gRPC server ends a stream so. */
export const breakOff = (call: Call): void => void call.emit('error', { code: 14, details: 'it goes away' });

const method = (path: string) => ({
  ...{ path, requestStream: true as const, responseStream: true as const },
  ...{ requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same },
});

/** Delta streams and those of access logs. */
export const controlPlane = async (onStream: (call: Call) => void, at = 0) => {
  const server = new Server();
  const handler = (call: Call): void => {
    for (const event of ['data', 'error']) call.on(event, () => undefined);
    onStream(call);
  };
  server.addService(
    { delta: method(GRPC_PATHS.delta), logs: method(GRPC_PATHS.accessLogs) },
    { delta: handler, logs: handler },
  );
  const close = (): void => server.forceShutdown();
  kept({ close });
  const port = await new Promise<number>((done, fail) =>
    server.bindAsync(`127.0.0.1:${at}`, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? done(bound) : fail(error),
    ),
  );
  return { port, close };
};
