/** The event log: port, memory, LMDB and Kafka implementations, hash chain. */
export { CHAIN_BYTES, chainStart, nextChain } from './chain.ts';
export type { AppendResult, EventLog, FollowOptions, LogHead, LogRecord } from './event-log.ts';
export type { KafkaSettings } from './kafka/settings.ts';
export { LOG_SCHEMA } from './lmdb-log.ts';
export type { LogCondition } from './log-condition.ts';
export type { Clock, ContactCounters, LogCounters, LogLimits } from './log-core.ts';
export { type OpenLogOptions, openEventLog } from './open-log.ts';
export type { OpenedLog } from './opened-log.ts';
export { type Upcaster, type UpcastRegistry, upcast } from './upcast.ts';
