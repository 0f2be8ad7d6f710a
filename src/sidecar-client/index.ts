/** The sidecar client: a caller's sidecar in this process (`tendril/sidecar-client`). */
export { type BackoffOptions, backoffMs, DEFAULT_BACKOFF } from './backoff.ts';
export { type CacheProblem, problemFrom as cacheProblemFrom } from './cache-record.ts';
export type { Caller, CallerOptions } from './caller.ts';
export { callerFor, type GrpcOptions, registerTendril } from './calling.ts';
export { addressText, channelTo, type HostPort } from './channel.ts';
export { connectSidecar, type SidecarClient, type SidecarOptions, type SidecarStats } from './client.ts';
export type {
  ClientOptions,
  ClientRegisterOptions,
  ClientStatus,
  ServiceOptions,
  TendrilClient,
} from './client-types.ts';
export type { ConfigChange, ConfigKind, ConfigSource, HeldResource } from './config-source.ts';
export type { ConnectionStats, ConnectionStatus } from './connection.ts';
export type { DecodedCluster, DecodedHost, Endpoint } from './decode.ts';
export type { EarlierLife } from './earlier-life.ts';
export type { ClientEffect, HostEffect, RefusedEffect, RequestEffect, UpdateEffect } from './effect.ts';
export type { DispatcherOptions, DispatcherStats, MeshDispatcher } from './http/index.ts';
export type { ResourceKind } from './kinds.ts';
export {
  type Drained,
  type HealthOptions,
  nextVerdict,
  type Probe,
  type ProbeResult,
  Prober,
  parseProbe,
  probeTimes,
  type RegisterOptions,
  type Registration,
  type RegistrationState,
  register,
  type Thresholds,
  UNKNOWN,
  type Verdict,
} from './register/index.ts';
export type { ServiceHandle, ServicePick } from './service-handle.ts';
export { ClientSession, type ClientSessionOptions } from './session.ts';
export { createClient } from './tendril-client.ts';
