/**
 * What a node says it needs beside its caller's edges: metadata `needs: "all"`, or `needs: {labels?, namespaces?}` (docs/protocol.md,
 * "Callers of everything"). Pure.
 *
 * Bounds: 16 labels, 64 namespaces. What does not fit is no wish at all: half a wish would be another one.
 */
import { compareText, isDnsLabel } from '../model/index.ts';

const MAX_LABELS = 16;
const MAX_NAMESPACES = 64;
const MAX_KEY = 63;
const MAX_VALUE = 256;

/** All parts must fit; without any: everything. */
export interface Needs {
  /** Labels that a service must have, sorted by name. */
  readonly labels: readonly (readonly [name: string, value: string])[];
  /** Namespaces it may be of, sorted; none: any. */
  readonly namespaces: readonly string[];
}

export type NeedsWord = { readonly needs: Needs | undefined } | { readonly problem: string };

const ALL: Needs = { labels: [], namespaces: [] };
const ALLOWED = 'allowed: "all", or {labels: {name: value}, namespaces: [names]} with at least one of the two';

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads `needs` of a node's metadata. */
export const readNeeds = (value: unknown): NeedsWord => {
  if (value === undefined) return { needs: undefined };
  if (value === 'all') return { needs: ALL };
  if (!isObject(value)) return { problem: ALLOWED };
  const foreign = Object.keys(value).find((key) => key !== 'labels' && key !== 'namespaces');
  if (foreign !== undefined) return { problem: `"${foreign.slice(0, 64)}" is not known; ${ALLOWED}` };
  const { labels = {}, namespaces = [] } = value;
  if (!isObject(labels) || !Array.isArray(namespaces)) return { problem: ALLOWED };
  const pairs = Object.entries(labels);
  if (pairs.length + namespaces.length === 0) return { problem: ALLOWED };
  if (pairs.length > MAX_LABELS) return { problem: `${pairs.length} labels; allowed: ${MAX_LABELS}` };
  if (namespaces.length > MAX_NAMESPACES)
    return { problem: `${namespaces.length} namespaces; allowed: ${MAX_NAMESPACES}` };
  const wanted: [string, string][] = [];
  for (const [name, text] of pairs) {
    if (typeof text !== 'string' || text.length > MAX_VALUE || name === '' || name.length > MAX_KEY)
      return { problem: `label "${name.slice(0, 64)}" must have 1 to ${MAX_KEY} characters, and a text as value` };
    wanted.push([name, text]);
  }
  const spaces = new Set<string>();
  for (const name of namespaces) {
    if (typeof name !== 'string' || !isDnsLabel(name))
      return { problem: `namespace ${JSON.stringify(name)?.slice(0, 80)} is no DNS label` };
    spaces.add(name);
  }
  return {
    needs: {
      labels: wanted.sort(([a], [b]) => compareText(a, b)),
      namespaces: [...spaces].sort(compareText),
    },
  };
};

/** What is asked of a service. */
export interface NeededService {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

export const fits = ({ labels, namespaces }: Needs, service: NeededService): boolean =>
  (namespaces.length === 0 || namespaces.includes(service.namespace)) &&
  labels.every(([name, value]) => Object.hasOwn(service.labels, name) && service.labels[name] === value);
