export { HpackDecoder } from './decoder.ts';
export { encodeHeaders } from './encode.ts';
export { HpackError } from './hpack-error.ts';
export type { HeaderField } from './static-table.ts';
