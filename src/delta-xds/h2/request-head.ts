/** The headers that open a call. Sources: RFC 9113 section 8 (malformed requests), the gRPC protocol over HTTP/2, "Requests". */
import type { HeaderField } from './hpack/index.ts';

export interface RequestHead {
  readonly path: string;
  /** The HTTP status that tells a request that is no gRPC call; undefined: it is one. `te: trailers` is not insisted on. */
  readonly refusedAs: number | undefined;
  /** Of names and values. */
  readonly bytes: number;
}

/** Names that speak of a connection, not of a request (section 8.2.2). */
const OF_CONNECTION = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade']);
const PSEUDO = new Set([':method', ':scheme', ':path', ':authority']);
/** A token in lower case (section 8.2.1). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** What no value may hold (section 8.2.1): a line of a log, or a request of HTTP/1, would end there. */
const BREAK = /[\0\r\n]/;

/** Undefined: malformed (section 8.1.1). */
export const readRequestHead = (headers: readonly HeaderField[]): RequestHead | undefined => {
  const pseudo = new Map<string, string>();
  let bytes = 0;
  let type: string | undefined;
  let regular = false;
  for (const [name, value] of headers) {
    bytes += name.length + value.length;
    if (BREAK.test(value)) return undefined;
    if (name.startsWith(':')) {
      if (regular || !PSEUDO.has(name) || pseudo.has(name)) return undefined;
      pseudo.set(name, value);
      continue;
    }
    regular = true;
    if (!NAME.test(name) || OF_CONNECTION.has(name) || (name === 'te' && value !== 'trailers')) return undefined;
    if (name === 'content-type') type = value;
  }
  const method = pseudo.get(':method');
  const path = pseudo.get(':path') ?? '';
  if (method === undefined || (method !== 'CONNECT' && (path === '' || !pseudo.has(':scheme')))) return undefined;
  const isGrpc = type !== undefined && /^application\/grpc(?:$|[+;])/.test(type);
  return { path, bytes, refusedAs: method !== 'POST' ? 405 : isGrpc ? undefined : 415 };
};

/** Trailers of a request: nothing is read of them. False: malformed. */
export const areTrailers = (headers: readonly HeaderField[]): boolean => headers.every(([name]) => NAME.test(name));
