/** Edges as commands on the graph print them. */
import {
  type Arguments,
  CLIENT_OPTIONS,
  formatOf,
  integer,
  type Options,
  oneOf,
  text,
  usageError,
} from '../arguments.ts';
import type { Format } from '../format.ts';
import { ago, type Column, within } from '../output.ts';

export const EDGE_STATES = ['active', 'quiet', 'expiring', 'expired', 'dangling', 'denied', 'pinned'] as const;
const ORIGINS = ['declared', 'learned', 'declared+learned'] as const;

/** Lines of an answer without `--all`. */
export const MAX_LINES = 20;

export interface EdgeItem {
  readonly from: string;
  readonly to: string;
  readonly port?: number;
  readonly origin: string;
  readonly state: string;
  readonly evidence: readonly string[];
  readonly declaredBy: readonly string[];
  readonly firstOffset?: number;
  readonly firstSeen?: string;
  readonly lastSeen?: string;
  readonly lastUsed?: string;
  readonly expiresAt?: string;
  readonly rate?: number;
  readonly errorRate?: number;
}

export const calleeOf = (edge: EdgeItem): string => (edge.port === undefined ? edge.to : `${edge.to}:${edge.port}`);

export const edgeName = (edge: EdgeItem): string => `${edge.from} -> ${calleeOf(edge)}`;

/** What sidecars did, and the documents and people that say so. */
const evidenceOf = (edge: EdgeItem): string | undefined =>
  [...edge.evidence, ...edge.declaredBy].join(',') || undefined;

/** The last evidence of use; where use is not reported, when a sidecar last asked. */
export const lastUseOf = (edge: EdgeItem): string | undefined =>
  edge.lastUsed ?? (edge.evidence.length === 0 ? undefined : edge.lastSeen);

export const rateOf = (edge: EdgeItem): string | undefined => {
  if (edge.rate === undefined) return undefined;
  const errors =
    edge.errorRate === undefined || edge.errorRate === 0 ? '' : ` ${(edge.errorRate * 100).toFixed(1)}% err`;
  return `${edge.rate < 10 ? edge.rate.toFixed(1) : Math.round(edge.rate)}/s${errors}`;
};

export const edgeColumns = (edges: readonly EdgeItem[], now: number): readonly Column<EdgeItem>[] => [
  { title: 'EDGE', value: edgeName },
  { title: 'STATE', value: (edge) => edge.state },
  { title: 'ORIGIN', value: (edge) => edge.origin },
  { title: 'EVIDENCE', value: evidenceOf },
  ...(edges.some(({ rate }) => rate !== undefined) ? [{ title: 'RATE', value: rateOf }] : []),
  {
    title: 'LAST USE',
    value: (edge) => {
      const used = lastUseOf(edge);
      return used === undefined ? undefined : ago(used, now);
    },
  },
  { title: 'EXPIRES', value: (edge) => (edge.expiresAt === undefined ? undefined : within(edge.expiresAt, now)) },
  { title: 'FIRST EVENT', value: (edge) => edge.firstOffset, number: true, wide: true },
];

export const GRAPH_OPTIONS: Options = {
  ...CLIENT_OPTIONS,
  depth: { type: 'string' },
  origin: { type: 'string' },
  at: { type: 'string' },
  all: { type: 'boolean' },
  json: { type: 'boolean' },
};

export const GRAPH_HELP: readonly string[] = [
  '--depth N    how far from the service (default 1)',
  `--origin O   ${ORIGINS.join(', ')}`,
  '--at WHEN    the graph as it was: an offset, or a time such as 2026-05-01T12:00:00Z',
  `--all        all of it, not the first ${MAX_LINES} lines`,
  '--server URL, -o table|wide|json|yaml|name (--json: as -o json)',
];

/** `web` is `web.default`. */
export const focusOf = (word: string | undefined): string | undefined =>
  word === undefined || word.includes('.') ? word : `${word}.default`;

export const graphFormat = (args: Arguments): Format => (args.values.json === true ? 'json' : formatOf(args));

/** Parameters that all questions about the graph have. */
export const graphQuery = (args: Arguments, focus: string | undefined) => {
  const depth = integer(args, 'depth', 1, 10);
  if (depth !== undefined && focus === undefined)
    throw usageError('--depth needs a service to start from', 'tendril graph SERVICE.NAMESPACE --depth 2');
  return { focus, depth, origin: oneOf(args, 'origin', ORIGINS), at: text(args, 'at') };
};
