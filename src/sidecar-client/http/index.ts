/** Calls of HTTP: an undici dispatcher and `fetch` (docs/calls.md). */
export { type DispatcherOptions, type DispatcherStats, MeshDispatcher } from './dispatcher.ts';
