/** The headers of our answers. Source: the gRPC protocol over HTTP/2, "Responses", "Status-Message". */
import { FLAG, FRAME, frameOf } from './frames.ts';
import { encodeHeaders } from './hpack/index.ts';

/** Characters of a status text; headers are small. */
const MAX_MESSAGE = 1_024;

const HEADERS = [
  [':status', '200'],
  ['content-type', 'application/grpc+proto'],
  ['grpc-accept-encoding', 'identity'],
] as const;

const RESPONSE = encodeHeaders(HEADERS);
/** "Table size 0", for a client that made its table smaller (RFC 7541 section 6.3). */
const TABLE_SIZE_0 = Buffer.from([0x20]);

/** Percent-encodes what may not stand in `grpc-message`: all but printable ASCII, and `%`. */
export const encodeMessage = (message: string): string => {
  const text = message.slice(0, MAX_MESSAGE);
  if (/^[ -$&-~]*$/.test(text)) return text;
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8'))
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return encoded;
};

const trailersOf = (code: number, message: string): (readonly [string, string])[] => [
  ['grpc-status', String(code)],
  ...(message === '' ? [] : [['grpc-message', encodeMessage(message)] as const]),
];

const headersFrame = (stream: number, flags: number, block: Uint8Array, tableShrunk: boolean): Buffer =>
  frameOf(FRAME.HEADERS, flags | FLAG.END_HEADERS, stream, tableShrunk ? Buffer.concat([TABLE_SIZE_0, block]) : block);

/** Before the first message. Only `identity` is understood, in both directions. */
export const responseFrame = (stream: number, tableShrunk: boolean): Buffer =>
  headersFrame(stream, 0, RESPONSE, tableShrunk);

/** After the last message. */
export const trailersFrame = (stream: number, code: number, message: string, tableShrunk: boolean): Buffer =>
  headersFrame(stream, FLAG.END_STREAM, encodeHeaders(trailersOf(code, message)), tableShrunk);

/** An answer without messages. */
export const trailersOnlyFrame = (stream: number, code: number, message: string, tableShrunk: boolean): Buffer =>
  headersFrame(stream, FLAG.END_STREAM, encodeHeaders([...HEADERS, ...trailersOf(code, message)]), tableShrunk);

/** An answer to what is no gRPC call. */
export const httpStatusFrame = (stream: number, status: number, tableShrunk: boolean): Buffer =>
  headersFrame(stream, FLAG.END_STREAM, encodeHeaders([[':status', String(status)]]), tableShrunk);
