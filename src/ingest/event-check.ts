/**
 * From what a writer sent to an event: structure, limits, schema of the type, rules, and the envelope's own fields. Everything
 * a writer may leave out is filled in here; nothing here looks at state.
 */
import { Compile, type Validator } from 'typebox/compile';
import {
  type EventBatch,
  type EventData,
  type EventEnvelope,
  type EventType,
  eventSchemas,
  type Finding,
  isObject,
  nearestWord,
  schemaVersionOf,
  subjectOf,
} from '../model/index.ts';
import { documentFindings } from './document-check.ts';
import { isPlainText, ruleFindings } from './event-rules.ts';
import { type InputLimits, limitFinding } from './input-limits.ts';
import { gathered, limitsOf, type RawCheck, rawFindings } from './raw-event.ts';
import { schemaFindings, unknownField } from './schema-findings.ts';

const FIELDS = ['type', 'id', 'source', 'time', 'reason', 'expect', 'data'];
/** Written by Tendril itself; nobody else can know them. */
const OWN_TYPES: readonly EventType[] = [
  'mesh.configured',
  'endpoint.expired',
  'policy.refused',
  'resource.refused',
  'dependency.observed',
  'dependency.renewed',
  'dependency.expired',
  'keeper.elected',
  'replica.joined',
  'replica.left',
];
const EVENT_TYPES = Object.keys(eventSchemas) as EventType[];
/** Types that a writer outside may use. */
export const PUBLIC_EVENT_TYPES = EVENT_TYPES.filter((type) => !OWN_TYPES.includes(type));

const RFC3339 = /^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$/;
const MAX_ID = 256;
const MAX_REASON = 1024;

const checkers = new Map<EventType, Validator>();
/** Compiled at first use: 20 schemas at start would cost more than most processes need. */
const checkerOf = (type: EventType): Validator => {
  const known = checkers.get(type);
  if (known !== undefined) return known;
  const made = Compile(eventSchemas[type]) as unknown as Validator;
  checkers.set(type, made);
  return made;
};

export interface CheckContext {
  readonly limits: InputLimits;
  /** Reads what a `resource.put` holds; absent: the fold alone does. */
  readonly rawCheck?: RawCheck;
  /** Allows the families that only Tendril writes. */
  readonly internal: boolean;
}

/** The parts of an event that its author gave, checked. */
export interface CheckedEvent {
  readonly type: EventType;
  readonly data: EventData[EventType];
  readonly id?: string;
  readonly source?: string;
  readonly time?: string;
  readonly reason?: string;
  readonly expect?: number;
}

export type CheckResult =
  | { readonly ok: true; readonly event: CheckedEvent; readonly warnings: readonly Finding[] }
  | { readonly ok: false; readonly findings: readonly Finding[] };

const refuse = (...findings: readonly Finding[]): CheckResult => ({ ok: false, findings });
const finding = (code: string, pointer: string, message: string, hint?: string): Finding => ({
  code,
  severity: 'error',
  message,
  pointer,
  ...(hint === undefined ? {} : { hint }),
});
const show = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 80);

/** Undefined: the type may be used here. */
const typeFinding = (type: unknown, context: CheckContext): Finding | undefined => {
  if (type === undefined) return finding('E103', '', '"type" is missing', `such as ${PUBLIC_EVENT_TYPES[0]}`);
  if (typeof type !== 'string' || !Object.hasOwn(eventSchemas, type)) {
    const near = typeof type === 'string' ? nearestWord(type, PUBLIC_EVENT_TYPES) : undefined;
    const meant = near === undefined ? '' : ` (did you mean ${near}?)`;
    return finding(
      'E102',
      '/type',
      `type ${show(type)} is unknown${meant}; allowed are ${PUBLIC_EVENT_TYPES.join(', ')}`,
    );
  }
  if (!context.internal && OWN_TYPES.includes(type as EventType))
    return finding(
      'E108',
      '/type',
      `"${type}" is written by Tendril itself; allowed are ${PUBLIC_EVENT_TYPES.join(', ')}`,
    );
  return undefined;
};

const envelopeFindings = (raw: Record<string, unknown>, more: readonly string[]): Finding[] => {
  const findings: Finding[] = [];
  const allowed = [...FIELDS, ...more];
  for (const key of Object.keys(raw)) if (!FIELDS.includes(key)) findings.push(unknownField(key, allowed, []));
  const { id, source, time, reason, expect } = raw;
  for (const [name, value] of [
    ['id', id],
    ['source', source],
  ] as const)
    if (
      value !== undefined &&
      (typeof value !== 'string' || value.length < 1 || value.length > MAX_ID || !isPlainText(value))
    )
      findings.push(
        finding(
          'E102',
          `/${name}`,
          `${name} is ${show(value)}; allowed is a text of 1..${MAX_ID} characters without control characters`,
        ),
      );
  if (time !== undefined && (typeof time !== 'string' || !RFC3339.test(time) || Number.isNaN(Date.parse(time))))
    findings.push(finding('E102', '/time', `time is ${show(time)}; allowed is RFC 3339 such as 2026-01-31T12:00:00Z`));
  if (reason !== undefined && (typeof reason !== 'string' || reason.length > MAX_REASON))
    findings.push(
      finding('E102', '/reason', `reason is ${show(reason)}; allowed is a text of at most ${MAX_REASON} characters`),
    );
  if (expect !== undefined && !(Number.isSafeInteger(expect) && Number(expect) >= 0))
    findings.push(finding('E102', '/expect', `expect is ${show(expect)}; allowed is an offset: a whole number from 0`));
  return findings;
};

/** Checks one raw event. Pointers of findings are relative to the event. */
export const checkEvent = (raw: unknown, context: CheckContext): CheckResult => {
  if (!isObject(raw))
    return refuse(finding('E102', '', `an event is ${show(raw)}; allowed is an object with type and data`));
  const limit = limitFinding(raw, limitsOf(raw, context.limits));
  if (limit !== undefined) return refuse(limit);
  const { event, at, flat } = gathered(raw);
  const findings = envelopeFindings(event, flat);
  const typed = typeFinding(event.type, context);
  if (typed !== undefined) return refuse(typed, ...findings);
  const type = event.type as EventType;
  const { data } = event;
  if (data === undefined) return refuse(finding('E103', '', '"data" is missing'), ...findings);
  if (!checkerOf(type).Check(data)) {
    const found = schemaFindings(eventSchemas[type], data, at);
    findings.push(...(found.length > 0 ? found : [finding('E102', '/data', `data does not fit ${type}`)]));
    return refuse(...findings);
  }
  const typedData = data as EventData[EventType];
  findings.push(...ruleFindings(type, typedData, at));
  const { lease } = typedData as { readonly lease?: unknown };
  if (type === 'endpoint.registered' && lease !== undefined && !String(event.source ?? '').startsWith('lease:'))
    findings.push(
      finding('E102', '/source', 'only a source lease:NAME can hold a lease', 'use PUT …/endpoints/ID?lease=30s'),
    );
  if (type === 'resource.put' && findings.length === 0)
    findings.push(...rawFindings(typedData as EventData['resource.put'], at, context.rawCheck));
  const warnings: Finding[] = [];
  if (type === 'policy.applied')
    for (const entry of documentFindings(typedData as EventData['policy.applied'], ['data', 'document']))
      (entry.severity === 'error' ? findings : warnings).push(entry);
  if (findings.length > 0) return refuse(...findings);
  return { ok: true, event: event as unknown as CheckedEvent, warnings };
};

export interface Stamp {
  readonly mesh: string;
  /** Identity of the writer, where the event names no source. */
  readonly caller: string;
  /** RFC 3339, where the event has no time. */
  readonly time: string;
  readonly newId: () => string;
}

/** The event as it goes into the log. */
export const toEnvelope = (event: CheckedEvent, stamp: Stamp, batch: EventBatch | undefined): EventEnvelope => ({
  id: event.id ?? stamp.newId(),
  type: event.type,
  subject: subjectOf(event.type, event.data),
  time: event.time ?? stamp.time,
  source: event.source ?? stamp.caller,
  schemaVersion: schemaVersionOf(event.type),
  mesh: stamp.mesh,
  data: event.data,
  ...(event.reason === undefined ? {} : { reason: event.reason }),
  ...(event.expect === undefined ? {} : { expect: event.expect }),
  ...(batch === undefined ? {} : { batch }),
});
