/** HTTP/2 frames by hand, for clients that no library would be (RFC 9113, section 6; HPACK without tables, RFC 7541, 6.2.2). */

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Any frame: the values of `type` and `flags` are those of RFC 9113, section 6. */
export const frame = (type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};

/** Identifier -> value. */
export const settings = (values: Readonly<Record<number, number>>): Buffer =>
  frame(
    4,
    0,
    0,
    Buffer.concat(
      Object.entries(values).map(([id, value]) => {
        const one = Buffer.alloc(6);
        one.writeUInt16BE(Number(id), 0);
        one.writeUInt32BE(value, 2);
        return one;
      }),
    ),
  );

export const SETTINGS = settings({});
export const SETTINGS_ACK = frame(4, 1, 0);

/** Text of up to 126 bytes. */
const literal = (text: string): Buffer => Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')]);

const GRPC: Readonly<Record<string, string>> = {
  ':method': 'POST',
  ':scheme': 'http',
  ':authority': 'localhost',
  'content-type': 'application/grpc',
  te: 'trailers',
};

/** Opens a stream with a gRPC request; odd `stream`. */
export const headers = (stream: number, path: string): Buffer => {
  const block = Object.entries({ ...GRPC, ':path': path })
    .sort(([a], [b]) => Number(b.startsWith(':')) - Number(a.startsWith(':')))
    .map(([name, value]) => Buffer.concat([Buffer.of(0), literal(name), literal(value)]));
  return frame(1, 4, stream, Buffer.concat(block));
};

export const data = (stream: number, payload: Buffer, end = false): Buffer => frame(0, end ? 1 : 0, stream, payload);

export const windowUpdate = (stream: number, bytes: number): Buffer => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(8, 0, stream, payload);
};

export const reset = (stream: number): Buffer => frame(3, 0, stream, Buffer.of(0, 0, 0, 8));

/** Frames in a stream of bytes: type, flags, stream and payload of each, complete ones only. */
export const framesOf = (bytes: Buffer): { type: number; flags: number; stream: number; payload: Buffer }[] => {
  const frames = [];
  for (let at = 0; at + 9 <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    if (at + 9 + length > bytes.length) break;
    frames.push({
      type: bytes[at + 3] ?? 0,
      flags: bytes[at + 4] ?? 0,
      stream: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + 9, at + 9 + length),
    });
    at += 9 + length;
  }
  return frames;
};
