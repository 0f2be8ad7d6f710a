/** Protobuf: generated Envoy messages, canonical encoding, and hand-written wire code for the discovery messages. */
export * from './access-log.ts';
export { type AccessLogEntry, emptyEntry, LOG_TYPE } from './access-log-entry.ts';
export * from './canonical.ts';
export * from './delta-request.ts';
export * from './delta-response.ts';
export * from './health.ts';
export * from './json/index.ts';
export * from './load-report.ts';
export * from './messages.ts';
export { encodeNode, type JsonObject, type JsonValue, type ProtoNode, toStruct } from './node.ts';
export * from './state-request.ts';
export * from './state-response.ts';
export * from './type-urls.ts';
export { DEFAULT_WIRE_LIMITS, type WireLimits, WireReader } from './wire-reader.ts';
