/** Protobuf: generated Envoy messages, canonical encoding, and hand-written wire code for the discovery messages. */
export * from './access-log.ts';
export { type AccessLogEntry, emptyEntry, LOG_TYPE } from './access-log-entry.ts';
export * from './canonical.ts';
export * from './json/index.ts';
export * from './load-report.ts';
export * from './messages.ts';
export { encodeNode, toStruct } from './node.ts';
export * from './state-request.ts';
export * from './state-response.ts';
export * from './wire.ts';
export { DEFAULT_WIRE_LIMITS, type WireLimits } from './wire-reader.ts';
