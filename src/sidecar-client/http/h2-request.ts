/** A request as undici's callers give it, as node:http2 sends it. What can not be sent is refused as undici does for HTTP/1.1. */
import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { OutgoingHttpHeaders } from 'node:http2';
import { type Dispatcher, errors, Response } from 'undici';
import { flatHeaders } from './headers.ts';

export interface H2Request {
  readonly headers: OutgoingHttpHeaders;
  /** Undefined: none. */
  readonly body: Uint8Array | AsyncIterable<unknown> | undefined;
  /** Of a streamed body, when the caller says it, bytes. */
  readonly length: number | undefined;
}

/** Of one connection, not of the request (RFC 9113, 8.2.2); `host` becomes `:authority`. */
const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

const headersOf = (options: Dispatcher.DispatchOptions): OutgoingHttpHeaders => {
  const flat = flatHeaders(options.headers);
  const headers: Record<string, string | string[]> = {
    ':method': options.method,
    ':path': options.path,
    ':scheme': 'http',
  };
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const [given = '', value = ''] = flat.slice(index, index + 2);
    const name = given.toLowerCase();
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch {
      throw new errors.InvalidArgumentError(`invalid ${name} header`);
    }
    if (name === 'host') headers[':authority'] = value;
    if (CONNECTION_HEADERS.has(name) || (name === 'te' && value !== 'trailers')) continue;
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
  }
  return headers;
};

const bytesOf = (body: unknown): Uint8Array | undefined => {
  if (typeof body === 'string') return Buffer.from(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  return body instanceof ArrayBuffer ? new Uint8Array(body) : undefined;
};

/** Throws `InvalidArgumentError` or `RequestContentLengthMismatchError` of undici. */
export const h2Request = (options: Dispatcher.DispatchOptions): H2Request => {
  if (!/^\/[^\s\0]*$/.test(options.path) && options.path !== '*')
    throw new errors.InvalidArgumentError('invalid request path');
  const headers = headersOf(options);
  const said = headers['content-length'] === undefined ? undefined : Number(headers['content-length']);
  const { body } = options as { readonly body?: unknown };
  const bytes = bytesOf(body);
  if (body === undefined || body === null || bytes?.length === 0) {
    if (said !== undefined && said > 0) throw new errors.RequestContentLengthMismatchError();
    return { headers, body: undefined, length: undefined };
  }
  if (bytes !== undefined) {
    if (said !== undefined && said !== bytes.length) throw new errors.RequestContentLengthMismatchError();
    return { headers: { ...headers, 'content-length': String(bytes.length) }, body: bytes, length: undefined };
  }
  if (Symbol.asyncIterator in (body as object)) return { headers, body: body as AsyncIterable<unknown>, length: said };
  // FormData and Blob: their bytes, and the type with its boundary.
  const whole = new Response(body as never);
  const type = whole.headers.get('content-type');
  if (whole.body === null) throw new errors.InvalidArgumentError('a body that can not be sent');
  return {
    headers: type === null || headers['content-type'] !== undefined ? headers : { ...headers, 'content-type': type },
    body: whole.body as AsyncIterable<unknown>,
    length: said,
  };
};
