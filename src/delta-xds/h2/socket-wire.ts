/** The bytes of a connection go to its socket. */
import type { Socket } from 'node:net';
import type { Wire } from './outbox.ts';

/** Up to this size the pieces of a write are joined: one copy costs less than a gathering write. */
const JOIN_BYTES = 16 * 1024;

/** Pieces below this size are joined with their neighbours in a larger write: each piece costs more than the copy. */
const SMALL_BYTES = 4 * 1024;

/** The same bytes in fewer pieces. */
const joined = (pieces: readonly Uint8Array[]): readonly Uint8Array[] => {
  const all: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  const endRun = (): void => {
    const [first] = run;
    if (first !== undefined) all.push(run.length === 1 ? first : Buffer.concat(run));
    run = [];
  };
  for (const piece of pieces) {
    if (piece.length < SMALL_BYTES) run.push(piece);
    else {
      endRun();
      all.push(piece);
    }
  }
  endRun();
  return all;
};

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
      const blocks = joined(pieces);
      const last = blocks.length - 1;
      socket.cork();
      for (const [index, piece] of blocks.entries()) {
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
