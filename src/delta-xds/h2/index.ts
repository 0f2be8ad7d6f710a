/** HTTP/2 of our own for the xDS port. */
export { H2Transport } from './h2-transport.ts';
