/** The transport on node:http2. */
export { Http2Transport } from './http2-transport.ts';
