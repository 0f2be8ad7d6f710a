/**
 * A gRPC application without a proxy: the real client of @grpc/grpc-js-xds, which keeps global state, so it has a process of its
 * own. Its bootstrap comes by GRPC_XDS_BOOTSTRAP_CONFIG. Calls what it is told to (proxyless-client.ts).
 */
import * as grpc from '@grpc/grpc-js';
import { register } from '@grpc/grpc-js-xds';
import type { CallOrder, CallOutcome } from './proxyless-client.ts';

register();
const clients = new Map<string, grpc.Client>();
const same = (bytes: Buffer): Buffer => bytes;

const clientOf = (target: string): grpc.Client => {
  const known = clients.get(target);
  if (known !== undefined) return known;
  const made = new grpc.Client(target, grpc.credentials.createInsecure());
  clients.set(target, made);
  return made;
};

process.on('message', ({ id, target, path, headers, timeoutMs, waitForReady }: CallOrder) => {
  const metadata = new grpc.Metadata({ waitForReady });
  for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
  const answer = (outcome: Omit<CallOutcome, 'id'>): boolean | undefined => process.send?.({ id, ...outcome });
  clientOf(target).makeUnaryRequest(
    path,
    same,
    same,
    Buffer.from('hello'),
    metadata,
    { deadline: Date.now() + timeoutMs },
    (error, response) => {
      if (error !== null) answer({ code: error.code, text: error.details });
      else answer({ code: grpc.status.OK, text: String(response) });
    },
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
