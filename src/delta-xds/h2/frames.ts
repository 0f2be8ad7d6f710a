/** Frames of HTTP/2 as bytes. Source: RFC 9113 sections 4 and 6. */

/** Bytes before each payload. */
export const FRAME_HEAD = 9;

/** The largest payload that is taken, and the least that every peer takes (SETTINGS_MAX_FRAME_SIZE, its default). */
export const FRAME_BYTES = 16_384;

/** Window of a stream and of a connection at their begin. */
export const INITIAL_WINDOW = 65_535;

export const MAX_WINDOW = 2 ** 31 - 1;

/** So much has come before the other side is told that it may send more. */
export const CREDIT_BYTES = INITIAL_WINDOW >> 1;

/** What a client says first (section 3.4). */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const FLAG = { ACK: 1, END_STREAM: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const;

export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

/** Section 7. */
export const CODE = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  FLOW_CONTROL_ERROR: 3,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;

/** A connection cannot go on: GOAWAY with this code and text, and the end. */
export class ConnectionFault extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Writes the head of a frame at `at`. */
export const writeHead = (
  target: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): void => {
  target[at] = length >>> 16;
  target[at + 1] = length >>> 8;
  target[at + 2] = length;
  target[at + 3] = type;
  target[at + 4] = flags;
  target[at + 5] = stream >>> 24;
  target[at + 6] = stream >>> 16;
  target[at + 7] = stream >>> 8;
  target[at + 8] = stream;
};

/** A whole frame; the payload is copied. */
export const frameOf = (type: number, flags: number, stream: number, payload: Uint8Array): Buffer => {
  const frame = Buffer.allocUnsafe(FRAME_HEAD + payload.length);
  writeHead(frame, 0, payload.length, type, flags, stream);
  frame.set(payload, FRAME_HEAD);
  return frame;
};

const withNumber = (type: number, stream: number, value: number): Buffer => {
  const frame = Buffer.allocUnsafe(FRAME_HEAD + 4);
  writeHead(frame, 0, 4, type, 0, stream);
  frame.writeUInt32BE(value, FRAME_HEAD);
  return frame;
};

export const resetFrame = (stream: number, code: number): Buffer => withNumber(FRAME.RST_STREAM, stream, code);

/** `stream` 0: of the connection. */
export const windowFrame = (stream: number, bytes: number): Buffer => withNumber(FRAME.WINDOW_UPDATE, stream, bytes);

export const pingFrame = (flags: number, payload: Uint8Array): Buffer => frameOf(FRAME.PING, flags, 0, payload);

export const settingsFrame = (settings: readonly (readonly [id: number, value: number])[]): Buffer => {
  const frame = Buffer.allocUnsafe(FRAME_HEAD + settings.length * 6);
  writeHead(frame, 0, settings.length * 6, FRAME.SETTINGS, 0, 0);
  for (const [index, [id, value]] of settings.entries()) {
    frame.writeUInt16BE(id, FRAME_HEAD + index * 6);
    frame.writeUInt32BE(value, FRAME_HEAD + index * 6 + 2);
  }
  return frame;
};

export const SETTINGS_ACK = frameOf(FRAME.SETTINGS, FLAG.ACK, 0, Buffer.alloc(0));

/** `text`: for whoever reads the client's log. */
export const goAwayFrame = (lastStream: number, code: number, text = ''): Buffer => {
  const debug = Buffer.from(text, 'latin1');
  const payload = Buffer.allocUnsafe(8 + debug.length);
  payload.writeUInt32BE(lastStream, 0);
  payload.writeUInt32BE(code, 4);
  payload.set(debug, 8);
  return frameOf(FRAME.GOAWAY, 0, 0, payload);
};
