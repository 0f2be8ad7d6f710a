/** The HTTP API. */
export { graphStreamCounters } from './graph/stream-counters.ts';
export type * from './ports.ts';
export { type AdminCounters, type AdminOptions, type AdminServer, createAdminServer } from './server.ts';
export { listenStandIn, type StandIn } from './stand-in.ts';
