/** How many entities of each kind there are: follows the tables, so that nobody has to count them. */
import type { EdgeList } from '../../dependency-graph/index.ts';
import type { EndpointShards } from './endpoint-shards.ts';

export interface StateCounts {
  readonly services: number;
  /** Also those of services that are not registered. */
  readonly endpoints: number;
  readonly documents: number;
  /** Callers with stored edges, and those edges. */
  readonly callers: number;
  readonly edges: number;
  /** Raw resources. */
  readonly raw: number;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export class StateTally {
  readonly counts: Writable<StateCounts> = { services: 0, endpoints: 0, documents: 0, callers: 0, edges: 0, raw: 0 };

  changed(kind: 'services' | 'documents' | 'raw', before: object | undefined, after: object | undefined): void {
    if (before === undefined) this.counts[kind] += after === undefined ? 0 : 1;
    else if (after === undefined) this.counts[kind] -= 1;
  }

  endpointsChanged(before: EndpointShards | undefined, after: EndpointShards | undefined): void {
    this.counts.endpoints += (after?.count ?? 0) - (before?.count ?? 0);
  }

  edgesChanged(before: EdgeList | undefined, after: EdgeList | undefined): void {
    this.counts.callers += (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    this.counts.edges += (after?.size ?? 0) - (before?.size ?? 0);
  }
}

export const COUNTED: readonly (keyof StateCounts)[] = [
  'services',
  'endpoints',
  'documents',
  'callers',
  'edges',
  'raw',
];
