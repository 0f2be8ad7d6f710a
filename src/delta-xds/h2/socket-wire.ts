/** The bytes of a connection go to its socket. */
import type { Socket } from 'node:net';
import type { Wire } from './outbox.ts';

/** Up to this size the pieces of a write are joined: one copy costs less than a gathering write. */
const JOIN_BYTES = 16 * 1024;

export class SocketWire implements Wire {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  write(pieces: readonly Uint8Array[], bytes: number, written: () => void): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    const [first] = pieces;
    if (first !== undefined && pieces.length === 1) socket.write(first, written);
    else if (bytes <= JOIN_BYTES) socket.write(Buffer.concat(pieces, bytes), written);
    else {
      const last = pieces.length - 1;
      socket.cork();
      for (const [index, piece] of pieces.entries()) {
        if (index === last) socket.write(piece, written);
        else socket.write(piece);
      }
      socket.uncork();
    }
  }

  end(): void {
    this.#socket.end();
  }
}
