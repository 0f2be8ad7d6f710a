/**
 * The light door of the model: errors, names and small readers, without the schema library and the YAML parser behind `index.ts`
 * (20 MB of memory and 150 ms at load). What an application loads with `tendril/sidecar-client` enters the model here: `proto`,
 * `store`, `sidecar-client`. A test holds their imports to it.
 */
export { isObject } from './documents/json.ts';
export { formatDuration, parseDuration } from './documents/text/duration.ts';
export { nearestWord } from './documents/text/suggest.ts';
export * from './finding.ts';
export * from './kafka-address.ts';
export * from './names.ts';
