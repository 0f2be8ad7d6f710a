/** A TCP connection in between that can stand still: what the server sends is not read any more, as by a process that hangs. */
import { connect, createServer, type Socket } from 'node:net';

export interface StallingProxy {
  readonly port: number;
  stall(): void;
  go(): void;
  close(): void;
}

export const stallingProxy = (to: number): Promise<StallingProxy> =>
  new Promise((done) => {
    const servers = new Set<Socket>();
    const all = new Set<Socket>();
    const listener = createServer((client) => {
      const server = connect(to, '127.0.0.1');
      servers.add(server);
      for (const socket of [client, server]) {
        all.add(socket);
        socket.on('error', () => undefined);
      }
      client.pipe(server);
      server.on('data', (chunk) => client.write(chunk));
      server.on('close', () => client.destroy());
      client.on('close', () => server.destroy());
    });
    listener.listen(0, '127.0.0.1', () => {
      const address = listener.address();
      done({
        port: typeof address === 'object' && address !== null ? address.port : 0,
        stall: () => {
          for (const server of servers) server.pause();
        },
        go: () => {
          for (const server of servers) server.resume();
        },
        close: () => {
          listener.close();
          for (const socket of all) socket.destroy();
        },
      });
    });
  });
