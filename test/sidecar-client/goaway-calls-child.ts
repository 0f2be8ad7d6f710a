/**
 * An application that calls over gRPC with the client, as a process of its own (goaway.test.ts): rounds of calls at once on one connection,
 * and when the first of a round fails it cancels the others in the same turn, and closes the channel in every other round. It says the number of each round that is over.
 */
import * as grpc from '@grpc/grpc-js';
import { createClient } from '../../src/sidecar-client/index.ts';

const [port = '', calls = '', rounds = ''] = process.argv.slice(2);
const client = await createClient({
  addresses: [`127.0.0.1:${port}`],
  node: { service: 'app', namespace: 'shop', id: 'sidecar~1~app.shop' },
});
client.registerGrpc();
const same = (bytes: Buffer): Buffer => bytes;

const round = async (isClosing: boolean): Promise<void> => {
  const stub = new grpc.Client('tendril:///cart.shop:80', grpc.credentials.createInsecure());
  const all: grpc.ClientUnaryCall[] = [];
  await Promise.all(
    Array.from(
      { length: Number(calls) },
      () =>
        new Promise<void>((done) => {
          const call = stub.makeUnaryRequest('/shop.Cart/AddItem', same, same, Buffer.from('x'), () => {
            for (const other of all) other.cancel();
            if (isClosing) stub.close();
            done();
          });
          all.push(call);
        }),
    ),
  );
  stub.close();
};

for (let number = 1; number <= Number(rounds); number++) {
  await round(number % 2 === 0);
  process.send?.(number, undefined, undefined, () => undefined);
}
process.once('disconnect', () => void client.close());
