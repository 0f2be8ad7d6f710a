/** The event log: port, memory, LMDB and Kafka implementations, hash chain. */
export { isLogBase } from './base.ts';
export { CHAIN_BYTES, chainStart, nextChain } from './chain.ts';
export { type DumpOptions, dumpLog, type LoadDumpOptions, type LoadedDump, loadDump } from './dump.ts';
export type { AppendResult, EventLog, FollowOptions, LogBase, LogHead, LogRecord, RawRecord } from './event-log.ts';
export type { KafkaSettings } from './kafka/settings.ts';
export { type LmdbBackend, LOG_SCHEMA, openLmdbBackend, storedBase } from './lmdb-log.ts';
export type { LogCondition } from './log-condition.ts';
export type { Clock, ContactCounters, LogCounters, LogLimits } from './log-core.ts';
export { carryMirrorMark } from './mirror-mark.ts';
export { type OpenLogOptions, openEventLog } from './open-log.ts';
export type { OpenedLog } from './opened-log.ts';
export { type Upcaster, type UpcastRegistry, upcast } from './upcast.ts';
