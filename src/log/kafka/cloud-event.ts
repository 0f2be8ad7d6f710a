/**
 * Events as CloudEvents 1.0 in the Kafka protocol binding (cloudevents/spec, kafka-protocol-binding.md, sections 3.2 and 3.3).
 * Written in binary mode: attributes are headers `ce_…`, the value is `data` as JSON, the key is the subject. An envelope with a
 * text that UTF-8 cannot carry goes in structured mode. Both are read. Pure.
 */
import { type EventEnvelope, type EventType, isObject, schemaVersionOf, subjectOf } from '../../model/index.ts';
import { type ReadyRecord, upcastReady } from '../ready-record.ts';
import { MAX_RECORD_BYTES, RECORD_HEADER_BYTES } from '../record-codec.ts';
import { headerTexts, type KafkaRecord } from './record-batch.ts';
import { unreadableRecord } from './unreadable.ts';

export interface KafkaMessage {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** First header of the first record of an append: says which one it is. Not part of the event, nor of the record's bytes. */
export const APPEND_HEADER = 'tendril_append';

const SPEC_VERSION = '1.0';
const JSON_TYPE = 'application/json';
const STRUCTURED_TYPE = 'application/cloudevents+json';
/** Bounds of record-codec.ts in bytes, for events of others. */
const MAX_DATA_BYTES = 256 * 1024;
const MAX_RAW_DATA_BYTES = 2 * 1024 * 1024;
const MAX_ENVELOPE_BYTES = 64 * 1024;
/** Deeper data could not be written as JSON again by everybody. */
const MAX_DEPTH = 128;

/** Attributes of CloudEvents and our extensions (lower case letters and digits only), in the order they are written. */
const attributesOf = (event: EventEnvelope): readonly (readonly [string, string | number])[] => {
  const { id, type, source, subject, time, mesh, schemaVersion, reason, expect, batch } = event;
  const list: (readonly [string, string | number])[] = [
    ['specversion', SPEC_VERSION],
    ['id', id],
    ['type', type],
    ['source', source],
    ['subject', subject],
    ['time', time],
    ['mesh', mesh],
    ['schemaversion', schemaVersion],
  ];
  if (reason !== undefined) list.push(['reason', reason]);
  if (expect !== undefined) list.push(['expect', expect]);
  if (batch !== undefined) list.push(['batchid', batch.id], ['batchindex', batch.index], ['batchsize', batch.size]);
  return list;
};

/** A half of a surrogate pair has no UTF-8. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** `append`: the token of the append whose first event this is. */
export const messageOf = (event: EventEnvelope, append?: string): KafkaMessage => {
  const attributes = attributesOf(event);
  const headers: Record<string, string> = append === undefined ? {} : { [APPEND_HEADER]: append };
  const key = Buffer.from(event.subject);
  if (attributes.some(([, value]) => typeof value === 'string' && LONE_SURROGATE.test(value))) {
    headers['content-type'] = STRUCTURED_TYPE;
    const whole = { ...Object.fromEntries(attributes), datacontenttype: JSON_TYPE, data: event.data };
    return { key, value: Buffer.from(JSON.stringify(whole)), headers };
  }
  for (const [name, value] of attributes) headers[`ce_${name}`] = String(value);
  headers['content-type'] = JSON_TYPE;
  return { key, value: Buffer.from(JSON.stringify(event.data)), headers };
};

/** What a record says, before it is known to be an event. */
interface Claimed {
  readonly attributes: ReadonlyMap<string, unknown>;
  readonly data: unknown;
  /** `data` as it was written. */
  readonly text: string;
}

class Unreadable extends Error {}

const refuse = (why: string): never => {
  throw new Unreadable(why);
};

const nestedTooDeep = (text: string): boolean => {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === 92) at++;
      else if (code === 34) quoted = false;
    } else if (code === 34) quoted = true;
    else if (code === 123 || code === 91) {
      if (++depth > MAX_DEPTH) return true;
    } else if (code === 125 || code === 93) depth--;
  }
  return false;
};

const parse = (bytes: Buffer | null): { readonly text: string; readonly value: unknown } => {
  if (bytes === null) return refuse('it has no value');
  if (bytes.length > MAX_RAW_DATA_BYTES + MAX_ENVELOPE_BYTES) return refuse(`its value has ${bytes.length} bytes`);
  const text = bytes.toString('utf8');
  if (nestedTooDeep(text)) return refuse(`its value is nested deeper than ${MAX_DEPTH} levels`);
  try {
    return { text, value: JSON.parse(text) };
  } catch {
    return refuse('its value is not JSON');
  }
};

const claimed = (record: KafkaRecord): Claimed => {
  const headers = new Map<string, string>();
  const texts = headerTexts(record);
  for (let at = 0; at < texts.length; at += 2) {
    const [name = '', value = ''] = [texts[at], texts[at + 1]];
    if (name !== 'content-type' && !name.startsWith('ce_')) continue;
    if (headers.has(name)) refuse(`header ${name} is given twice`);
    headers.set(name, value);
  }
  const [type = ''] = (headers.get('content-type') ?? JSON_TYPE).toLowerCase().split(';');
  if (type.trim() === STRUCTURED_TYPE) {
    const { value } = parse(record.value);
    if (!isObject(value)) return refuse('its value is not a JSON object');
    const { data, ...attributes } = value;
    return { attributes: new Map(Object.entries(attributes)), data, text: JSON.stringify(data ?? null) };
  }
  if (!headers.has('ce_specversion')) refuse('it is no CloudEvent: neither header ce_specversion nor structured mode');
  if (!/^[a-z]+\/(?:json|[a-z0-9.-]+\+json)$/.test(type.trim())) refuse(`its content type is ${type}, not JSON`);
  const attributes = new Map<string, unknown>();
  for (const [name, value] of headers) if (name !== 'content-type') attributes.set(name.slice(3), value);
  const { text, value } = parse(record.value);
  return { attributes, data: value, text };
};

/** The event's JSON in the form of every log: `JSON.stringify` of the envelope in the order of its fields. */
const eventOf = (record: KafkaRecord, mesh: string): { readonly event: EventEnvelope; readonly json: string } => {
  const { attributes, data, text } = claimed(record);
  const optional = (name: string): string | undefined => {
    const value = attributes.get(name);
    if (value !== undefined && typeof value !== 'string') refuse(`attribute ${name} is not a text`);
    return value as string | undefined;
  };
  const required = (name: string): string => optional(name) || refuse(`attribute ${name} is missing`);
  const whole = (name: string): number | undefined => {
    const value = attributes.get(name);
    if (value === undefined) return undefined;
    const isWhole = /^(?:0|[1-9][0-9]{0,15})$/.test(String(value)) && Number.isSafeInteger(Number(value));
    return isWhole ? Number(value) : refuse(`attribute ${name} is not a whole number`);
  };
  const specVersion = required('specversion');
  if (specVersion !== SPEC_VERSION) refuse(`specversion ${specVersion} is not ${SPEC_VERSION}`);
  if (!isObject(data)) return refuse('its data is not a JSON object');
  const type = required('type') as EventType;
  const ofMesh = optional('mesh') ?? mesh;
  if (ofMesh !== mesh) refuse(`it belongs to mesh ${JSON.stringify(ofMesh)}, this log to ${JSON.stringify(mesh)}`);
  const envelope = {
    id: required('id'),
    type,
    subject: optional('subject') ?? derivedSubject(type, data),
    time: optional('time') ?? new Date(record.timestamp).toISOString(),
    source: required('source'),
    schemaVersion: whole('schemaversion') ?? schemaVersionOf(type),
    mesh,
  };
  const [id, index, size] = [optional('batchid'), whole('batchindex'), whole('batchsize')];
  if ([id, index, size].some((part) => part === undefined) && [id, index, size].some((part) => part !== undefined)) {
    refuse('of batchid, batchindex and batchsize some are missing');
  }
  const [reason, expect] = [optional('reason'), whole('expect')];
  const batch = id === undefined ? undefined : { id, index: index ?? 0, size: size ?? 0 };
  const more = {
    ...(reason === undefined ? {} : { reason }),
    ...(expect === undefined ? {} : { expect }),
    ...(batch === undefined ? {} : { batch }),
  };
  const head = JSON.stringify(envelope).slice(0, -1);
  const tail = JSON.stringify(more).slice(1);
  requireFit(Buffer.byteLength(head) + Buffer.byteLength(tail), Buffer.byteLength(text), type);
  const json = `${head},"data":${text}${tail === '}' ? '' : ','}${tail}`;
  const bytes = RECORD_HEADER_BYTES + Buffer.byteLength(json);
  if (bytes > MAX_RECORD_BYTES) refuse(`it has ${bytes} bytes, ${MAX_RECORD_BYTES} are allowed`);
  return { event: { ...envelope, data, ...more } as unknown as EventEnvelope, json };
};

/** In bytes. */
const requireFit = (envelope: number, data: number, type: string): void => {
  const most = type === 'resource.put' ? MAX_RAW_DATA_BYTES : MAX_DATA_BYTES;
  if (data > most) refuse(`its data has ${data} bytes, ${most} are allowed`);
  if (envelope > MAX_ENVELOPE_BYTES) refuse(`its attributes have ${envelope} bytes, ${MAX_ENVELOPE_BYTES} are allowed`);
};

/** What a producer that knows no subjects leaves out; the fold checks it against the data. */
const derivedSubject = (type: EventType, data: object): string => {
  try {
    return subjectOf(type, data as never) ?? '';
  } catch {
    return '';
  }
};

/**
 * The record as it goes into the mirror: a function of the Kafka record, the mesh and `recordedAt` alone, so that all replicas hold
 * the same bytes. Never throws: what is no event is kept as an unreadable record, for the fold to quarantine.
 */
export const readyRecordOf = (record: KafkaRecord, mesh: string, recordedAt: number): ReadyRecord => {
  try {
    const { event, json } = eventOf(record, mesh);
    return upcastReady({ json, bytes: RECORD_HEADER_BYTES + Buffer.byteLength(json), recordedAt, event });
  } catch (error) {
    if (error instanceof Unreadable) return unreadableRecord(error.message, recordedAt, record);
    return unreadableRecord(`it cannot be read: ${error instanceof Error ? error.name : 'error'}`, recordedAt, record);
  }
};

/** The token of the append that this record begins. */
export const appendOf = (record: KafkaRecord): string | undefined => {
  const [name, value] = headerTexts(record, 1);
  return name === APPEND_HEADER ? value : undefined;
};
