export * from './documents/index.ts';
export * from './event.ts';
export * from './event-schema.ts';
export * from './finding.ts';
export { formatLogLine, type LineRecord, type ParsedLogLine, parseLogLine } from './log-line.ts';
export * from './names.ts';
export * from './raw-ref.ts';
export * from './subject.ts';
export * from './xdstp.ts';
