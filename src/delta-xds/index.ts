/** The xDS server: pure session machines, the hub that feeds them, and the gRPC file that carries their messages. */
export type { AdsCounters } from './ads-counters.ts';
export { type AdsServer, type AdsServerOptions, createAdsServer, type TransportName } from './ads-server.ts';
export type { ChangeItem } from './change.ts';
export { type DeliveryGroup, DeliveryLog, type DeliveryReport } from './delivery-log.ts';
export { aliasesOf, type Effect, type Item, type SentResource } from './effect.ts';
export type { Holder } from './holders.ts';
export { LIMIT_RANGES } from './limit-ranges.ts';
export {
  DEFAULT_SERVER_LIMITS,
  DEFAULT_SESSION_LIMITS,
  type ServerLimits,
  type SessionCounters,
  type SessionLimits,
  zeroSessionCounters,
} from './limits.ts';
export type {
  ChangeKey,
  ChangeSet,
  NodeFacts,
  NodeView,
  PreloadStep,
  ResourceBody,
  ResourceSource,
  XdsProtocol,
} from './resource-source.ts';
export { type ResourceType, typeUrlOf } from './resource-type.ts';
export { Session } from './session.ts';
export type { SessionStatus } from './session-status.ts';
export { SharedShapes } from './shapes.ts';
export { SotwSession } from './sotw/sotw-session.ts';
export type { ConnectedStream, StreamWatcher } from './stream-context.ts';
export type { HeldResource, StreamSession, TypeStatus } from './stream-session.ts';
export type { Routes, StreamHandler, TransportListener, TransportStream } from './transport.ts';
