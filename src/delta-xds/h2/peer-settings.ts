/** What a client has set. Source: RFC 9113 section 6.5.2. */
import { CODE, ConnectionFault, FRAME_BYTES, INITIAL_WINDOW, MAX_WINDOW, SETTING } from './frames.ts';

/** Frames of more than this are of no use. */
const MAX_FRAME = 65_536;
/** Of the compression table of our headers: we add nothing to it. */
const TABLE_BYTES = 4_096;

export class PeerSettings {
  /** Window of a new stream, bytes. */
  window = INITIAL_WINDOW;
  /** Largest payload to be sent, bytes. */
  frameBytes = FRAME_BYTES;
  /** It has made the table smaller: the next header block begins with a size of 0 (RFC 7541 section 4.2). */
  tableShrunk = false;

  /** Reads a SETTINGS frame. Returns by how much the windows of all open streams change. Throws `ConnectionFault`. */
  read(payload: Buffer): number {
    if (payload.length % 6 !== 0) throw new ConnectionFault(CODE.FRAME_SIZE_ERROR, 'SETTINGS of a broken length');
    const before = this.window;
    for (let at = 0; at < payload.length; at += 6) this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    return this.window - before;
  }

  #set(id: number, value: number): void {
    switch (id) {
      case SETTING.HEADER_TABLE_SIZE:
        this.tableShrunk ||= value < TABLE_BYTES;
        return;
      case SETTING.ENABLE_PUSH:
        if (value > 1) throw new ConnectionFault(CODE.PROTOCOL_ERROR, 'ENABLE_PUSH is neither 0 nor 1');
        return;
      case SETTING.INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW) throw new ConnectionFault(CODE.FLOW_CONTROL_ERROR, 'INITIAL_WINDOW_SIZE is too large');
        this.window = value;
        return;
      case SETTING.MAX_FRAME_SIZE:
        if (value < FRAME_BYTES || value > 0xffffff)
          throw new ConnectionFault(CODE.PROTOCOL_ERROR, 'MAX_FRAME_SIZE is out of its range');
        this.frameBytes = Math.min(value, MAX_FRAME);
        return;
      default:
    }
  }
}
