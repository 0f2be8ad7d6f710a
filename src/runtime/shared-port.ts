/**
 * The xDS port of all workers: bound and held open by the supervisor, so that no client is refused while a worker is away.
 *
 * One worker inherits the socket as a file descriptor and accepts for itself; while it is away, connections wait in the backlog. For
 * several workers the supervisor accepts, and deals (`ConnectionDealer`).
 *
 * Node's documented API has no way to hold a listening socket without accepting on it, and node:cluster closes a shared one with its
 * last worker. So the socket is bound by the function behind both (`net._createServerHandle`, in Node 20, 22 and 24 alike); passing
 * it on (`stdio`) and listening on it (`{ fd }`) are documented.
 */
import type { StdioOptions } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import net from 'node:net';
import type { Stream } from 'node:stream';
import { getSystemErrorName } from 'node:util';
import type { HostPort } from './config.ts';
import { xdsListenError } from './listen-error.ts';

/**
 * File descriptors of the port in a worker, behind stdin, stdout, stderr and the channel to the supervisor: the same socket several
 * times, because libuv accepts one connection of each in a turn of the event loop, and ten thousand sidecars may come at once: those
 * that the kernel's queue has no room for try again after 1, 3, 7, … seconds, or lose their connection.
 */
export const XDS_PORT_FDS: readonly number[] = Array.from({ length: 64 }, (_, at) => 4 + at);

/** A bound socket that nothing has been asked of yet. */
interface BoundSocket {
  /** Writes the address into `out`; also gives the error of binding, which libuv keeps back until then. */
  getsockname(out: { address?: string; port?: number }): number;
  close(): void;
}

/** Gives a negative error number when it fails. */
type CreateServerHandle = (address: string, port: number, family: 4 | 6) => BoundSocket | number;

const createServerHandle = (net as unknown as { readonly _createServerHandle: CreateServerHandle })._createServerHandle;

const failure = (errno: number): NodeJS.ErrnoException => {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`bind: ${code}`), { code });
};

export class SharedPort {
  /** With the number of the port when 0 was asked for. */
  readonly address: HostPort;
  readonly #socket: BoundSocket;
  #open = true;

  private constructor(address: HostPort, socket: BoundSocket) {
    this.address = address;
    this.#socket = socket;
  }

  /** Rejects as `xdsListenError`. Refuses connections until the first worker listens. */
  static async bind(wanted: HostPort): Promise<SharedPort> {
    try {
      const { address, family } = await lookup(wanted.host);
      const socket = createServerHandle(address, wanted.port, family === 6 ? 6 : 4);
      if (typeof socket === 'number') throw failure(socket);
      const bound: { port?: number } = {};
      const errno = socket.getsockname(bound);
      if (errno === 0) return new SharedPort({ host: wanted.host, port: bound.port ?? wanted.port }, socket);
      socket.close();
      throw failure(errno);
    } catch (error) {
      throw xdsListenError(error, wanted);
    }
  }

  /** For a server of this process that is to accept on it. */
  get handle(): { readonly _handle: unknown } {
    return { _handle: this.#socket };
  }

  /** `stdio` of a worker: it finds the port at `XDS_PORT_FDS`. */
  get stdio(): StdioOptions {
    return ['ignore', 'inherit', 'inherit', 'ipc', ...XDS_PORT_FDS.map(() => this.#socket as unknown as Stream)];
  }

  /** The port is closed when the workers have closed it too. No worker can be started any more. */
  close(): void {
    if (this.#open) this.#socket.close();
    this.#open = false;
  }
}
