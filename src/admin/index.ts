/** The HTTP API. */

export { metricsText } from './metrics-text.ts';
export type * from './ports.ts';
export { type AdminCounters, type AdminOptions, type AdminServer, createAdminServer } from './server.ts';
