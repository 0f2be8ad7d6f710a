/** The sidecar client: a caller's sidecar in this process (`tendril/sidecar-client`). */
export { type BackoffOptions, backoffMs, DEFAULT_BACKOFF } from './backoff.ts';
export { type Caller, type CallerOptions, createCaller, registerTendril } from './caller.ts';
export { connectSidecar, type SidecarClient, type SidecarOptions, type SidecarStats } from './client.ts';
export type { ConnectionStats, ConnectionStatus, HostPort } from './connection.ts';
export type { DecodedCluster, DecodedHost, Endpoint } from './decode.ts';
export type { ClientEffect, HostEffect, RefusedEffect, RequestEffect, UpdateEffect } from './effect.ts';
export { type DispatcherOptions, type DispatcherStats, MeshDispatcher } from './http/index.ts';
export type { ResourceKind } from './kinds.ts';
export { ClientSession, type ClientSessionOptions } from './session.ts';
