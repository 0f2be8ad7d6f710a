/** Events on raw resources: their fields may stand beside `type`, they may be larger, and what they hold is read before it is appended. */
import { type EventData, type Finding, isObject, pointerOf } from '../model/index.ts';
import type { InputLimits } from './input-limits.ts';

/** Undefined: it can be served. `RawProblem` of compile fits; its pointer is relative to the data. */
export type RawCheck = (
  data: EventData['resource.put'],
) => { readonly code: string; readonly message: string; readonly pointer: string; readonly hint?: string } | undefined;

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  'resource.put': ['node', 'typeUrl', 'name', 'version', 'resource'],
  'resource.delete': ['node', 'typeUrl', 'name', 'version'],
  'resource.clear': ['node'],
};

export interface Gathered {
  /** The event with its fields in `data`. */
  readonly event: Record<string, unknown>;
  /** Where the author wrote them. */
  readonly at: readonly string[];
  /** Fields that may stand beside `type`. */
  readonly flat: readonly string[];
}

/** Moves the fields beside `type` into `data`, where there is no data and the type allows it. */
export const gathered = (raw: Record<string, unknown>): Gathered => {
  const fields = typeof raw.type === 'string' && Object.hasOwn(FIELDS, raw.type) ? FIELDS[raw.type] : undefined;
  if (fields === undefined || raw.data !== undefined) return { event: raw, at: ['data'], flat: [] };
  const event: Record<string, unknown> = {};
  const data: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) (fields.includes(key) ? data : event)[key] = value;
  return { event: { ...event, data }, at: [], flat: fields };
};

export const limitsOf = (raw: unknown, limits: InputLimits): InputLimits =>
  isObject(raw) && raw.type === 'resource.put'
    ? { ...limits, eventBytes: limits.rawBytes, depth: limits.rawDepth }
    : limits;

export const rawFindings = (
  data: EventData['resource.put'],
  at: readonly string[],
  check: RawCheck | undefined,
): readonly Finding[] => {
  const problem = check?.(data);
  if (problem === undefined) return [];
  const { code, message, pointer, hint } = problem;
  const place = `${pointerOf(at)}${pointer}`;
  return [{ code, severity: 'error', message, pointer: place, ...(hint === undefined ? {} : { hint }) }];
};
