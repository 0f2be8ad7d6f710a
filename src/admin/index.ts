/** The HTTP API. */
export type * from './ports.ts';
export { type AdminCounters, type AdminOptions, type AdminServer, createAdminServer } from './server.ts';
