/** gRPC in HTTP/2 headers. Source: the gRPC protocol over HTTP/2, "Requests", "Responses", "Status-Message". */
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';

const {
  HTTP2_HEADER_STATUS,
  HTTP2_HEADER_CONTENT_TYPE,
  HTTP2_HEADER_METHOD,
  HTTP_STATUS_OK,
  HTTP_STATUS_METHOD_NOT_ALLOWED,
  HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE,
} = constants;

/** Characters of a status text; headers are small. */
const MAX_MESSAGE = 1_024;

/** Sent before the first message. Only `identity` is understood, in both directions. */
export const RESPONSE_HEADERS: OutgoingHttpHeaders = {
  [HTTP2_HEADER_STATUS]: HTTP_STATUS_OK,
  [HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc+proto',
  'grpc-accept-encoding': 'identity',
};

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

export const trailersOf = (code: number, message: string): OutgoingHttpHeaders =>
  message === ''
    ? { 'grpc-status': String(code) }
    : { 'grpc-status': String(code), 'grpc-message': encodeMessage(message) };

/** The HTTP status that tells a request that is no gRPC call; undefined: it is one. `te: trailers` is not insisted on. */
export const refusedAs = (headers: IncomingHttpHeaders): number | undefined => {
  if (headers[HTTP2_HEADER_METHOD] !== 'POST') return HTTP_STATUS_METHOD_NOT_ALLOWED;
  const type = headers[HTTP2_HEADER_CONTENT_TYPE];
  return typeof type === 'string' && /^application\/grpc(?:$|[+;])/.test(type)
    ? undefined
    : HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE;
};

/** Bytes of names and values. `raw`: name, value, name, value, … */
export const headerBytes = (raw: readonly string[]): number => {
  let bytes = 0;
  for (const text of raw) bytes += text.length;
  return bytes;
};
