/** `GET /status` of an agent, on loopback. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TendrilError } from '../model/basics.ts';

export interface StatusServer {
  readonly port: number;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 16;

/** Names of loopback: another page in a browser must not read it under a name of its own. */
const isLoopbackHost = (header: string | undefined): boolean =>
  /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?$/.test(header ?? '');

/** Rejects with `AGENT_STATUS_PORT`. */
export const serveStatus = (
  { host, port }: { readonly host: string; readonly port: number },
  status: () => unknown,
): Promise<StatusServer> =>
  new Promise((done, fail) => {
    const server = createServer((request, response) => {
      request.resume();
      const answer = (code: number, body: unknown): void => {
        response.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-store' });
        response.end(`${JSON.stringify(body)}\n`);
      };
      if (!isLoopbackHost(request.headers.host)) answer(403, { detail: 'ask by a name of loopback' });
      else if (request.url?.split('?', 1)[0] !== '/status') answer(404, { detail: 'there is /status' });
      else if (request.method !== 'GET') answer(405, { detail: 'GET is allowed' });
      else answer(200, status());
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.once('error', (error: NodeJS.ErrnoException) =>
      fail(
        new TendrilError(
          'AGENT_STATUS_PORT',
          `--status ${host}:${port} cannot be opened (${error.code ?? error.message})`,
          {
            remedy: 'name another port, or 0 for a free one',
            cause: error,
          },
        ),
      ),
    );
    server.listen(port, host, () =>
      done({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      }),
    );
  });
