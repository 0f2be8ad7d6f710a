/**
 * Checks every event again before it may touch the state: the log may have been written by other versions and other tools.
 * What fails is quarantined, on every replica alike.
 */
import { Compile } from 'typebox/compile';
import {
  EVENT_SCHEMA_VERSION,
  type EventBatch,
  type EventType,
  eventSchemas,
  LATER_VERSIONS,
  type RecordedEvent,
  schemaVersionOf,
  subjectOf,
} from '../../model/index.ts';
import { dataProblem } from './data-rules.ts';
import { isPlainEndpoint, isPlainEndpointRef } from './quick-check.ts';
import { quarantined, type Refusal } from './verdict.ts';

/** The part of a compiled TypeBox checker that is used here. */
interface Checker {
  Check(value: unknown): boolean;
  Errors(value: unknown): readonly { readonly instancePath: string; readonly message: string }[];
}

const checkers = new Map<EventType, Checker>();

/** Compiled at first use: compiling all of them costs a tenth of a second. */
const checkerOf = (type: EventType): Checker => {
  let checker = checkers.get(type);
  if (checker === undefined) {
    checker = Compile(eventSchemas[type]) as unknown as Checker;
    checkers.set(type, checker);
  }
  return checker;
};

const isType = (type: unknown): type is EventType => typeof type === 'string' && Object.hasOwn(eventSchemas, type);

const isWhole = (value: unknown, low: number): boolean => Number.isSafeInteger(value) && (value as number) >= low;

const isText = (value: unknown, max: number): boolean =>
  typeof value === 'string' && value.length >= 1 && value.length <= max;

const isBatch = (batch: EventBatch): boolean =>
  typeof batch === 'object' &&
  batch !== null &&
  isText(batch.id, 256) &&
  isWhole(batch.index, 0) &&
  isWhole(batch.size, 1) &&
  batch.index < batch.size;

const MAX_NAME = 256;

const envelopeProblem = (event: RecordedEvent): string | undefined => {
  if (!isText(event.id, MAX_NAME)) return 'id is no text of 1..256 characters';
  if (!isText(event.source, MAX_NAME)) return 'source is no text of 1..256 characters';
  if (event.reason !== undefined && typeof event.reason !== 'string') return 'reason is no text';
  if (event.expect !== undefined && !isWhole(event.expect, 0)) return 'expect is no offset';
  if (event.batch !== undefined && !isBatch(event.batch)) return 'batch is not {id, index, size}';
  return undefined;
};

interface EndpointRef {
  readonly namespace: string;
  readonly service: string;
  readonly id: string;
}

/** `subject === endpointSubject(…)` without building the text. */
const isEndpointSubject = (subject: unknown, { namespace, service, id }: EndpointRef): boolean => {
  if (typeof subject !== 'string') return false;
  const atService = 10 + namespace.length;
  const atId = atService + 1 + service.length;
  return (
    subject.length === atId + id.length &&
    subject.startsWith('endpoint/') &&
    subject.startsWith(namespace, 9) &&
    subject.charCodeAt(atService - 1) === 0x2f &&
    subject.startsWith(service, atService) &&
    subject.charCodeAt(atId - 1) === 0x2f &&
    subject.endsWith(id)
  );
};

const isQuickEndpoint = (event: RecordedEvent): boolean => {
  switch (event.type) {
    case 'endpoint.registered':
      return isPlainEndpoint(event.data);
    case 'endpoint.health-changed':
      return isPlainEndpointRef(event.data, true);
    case 'endpoint.deregistered':
    case 'endpoint.expired':
      return isPlainEndpointRef(event.data, false);
    default:
      return false;
  }
};

const schemaProblem = (type: EventType, data: unknown): string | undefined => {
  const checker = checkerOf(type);
  if (checker.Check(data)) return undefined;
  const [error] = checker.Errors(data);
  return error === undefined ? `data does not fit ${type}` : `data${error.instancePath} ${error.message}`;
};

const versionProblem = ({ type, schemaVersion }: RecordedEvent): Refusal | undefined => {
  const due = schemaVersionOf(type);
  if (schemaVersion === due) return undefined;
  if (schemaVersion === EVENT_SCHEMA_VERSION) {
    const message = `${type} has a shape but no effect in schema version ${schemaVersion}; it has one from version ${due} on.`;
    return quarantined('E107', message);
  }
  const found = JSON.stringify(schemaVersion);
  return quarantined('version', `The event has schema version ${found}, this build reads ${due}.`);
};

/** Undefined: the event may be applied. */
export const checkEvent = (event: RecordedEvent, mesh: string): Refusal | undefined => {
  const envelope = envelopeProblem(event);
  if (envelope !== undefined) return quarantined('schema', `The envelope is bad: ${envelope}.`);
  if (event.mesh !== mesh)
    return quarantined('mesh', `The event is of mesh ${JSON.stringify(event.mesh)}, this is ${mesh}.`);
  if (event.schemaVersion !== EVENT_SCHEMA_VERSION || LATER_VERSIONS.has(event.type)) {
    const version = versionProblem(event);
    if (version !== undefined) return version;
  }
  if (isQuickEndpoint(event)) {
    if (isEndpointSubject(event.subject, event.data as EndpointRef)) return undefined;
    return quarantined('subject', `Subject ${JSON.stringify(event.subject)} is not the entity of the data.`);
  }
  const type: unknown = event.type;
  if (!isType(type)) return quarantined('type', `Event type ${JSON.stringify(type)} is unknown.`);
  const schema = schemaProblem(type, event.data);
  if (schema !== undefined) return quarantined('schema', `${type}: ${schema}.`);
  const rule = dataProblem(type, event.data);
  if (rule !== undefined) return quarantined('schema', `${type}: bad ${rule}.`);
  if (type === 'mesh.configured' && (event as RecordedEvent<'mesh.configured'>).data.name !== mesh) {
    return quarantined('mesh', `The log is of another mesh: this is ${mesh}.`);
  }
  const subject = subjectOf(type, event.data);
  if (event.subject !== subject) {
    return quarantined(
      'subject',
      `Subject ${JSON.stringify(event.subject)} is not the entity of the data, ${subject}.`,
    );
  }
  return undefined;
};
