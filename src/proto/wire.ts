/**
 * The light door of the wire code: what is written by hand, without the generated messages and protobufjs behind `index.ts` (50 ms and 10 MB
 * at load). What an application loads with `tendril/sidecar-client` enters here; a test holds its imports to it.
 */
export * from './delta-request.ts';
export * from './delta-response.ts';
export * from './health.ts';
export * from './message-table.ts';
export type { JsonObject, JsonValue, ProtoNode } from './node.ts';
export * from './type-urls.ts';
export { WireReader } from './wire-reader.ts';
