/** Proto3 JSON of raw resources to bytes, and checks of bytes given as they are. Loaded descriptors: see api-types.ts. */
export { fullNameOf } from './api-types.ts';
export { encodeJson, encodeResourceJson } from './message-encoder.ts';
export { ProtoJsonError } from './proto-json-error.ts';
export { lastOf, textOf, textsAt, withoutField } from './wire-paths.ts';
