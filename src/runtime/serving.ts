/**
 * The light door of the runtime: reads a configuration and starts the processes. What the supervisor loads it keeps in memory as long as
 * the mesh lives (34 MB for schemas, protobuf code and xDS, before): a test holds the imports to few packages.
 */
export { type HostPort, resolveConfig, SERVE_OPTIONS } from './config.ts';
export { giveBackWhenQuiet } from './idle-memory.ts';
export { startServer } from './server.ts';
export type { RunningServer } from './supervisor.ts';
