/** What `StateTally` counts, of entities as they are stored. */
import { ByteReader } from './byte-reader.ts';
import type { CallerEdges } from './edge-entity.ts';
import type { StateCounts } from './state-tally.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export const noCounts = (): Writable<StateCounts> => ({
  services: 0,
  endpoints: 0,
  documents: 0,
  callers: 0,
  edges: 0,
  raw: 0,
});

/** Version, then the number of records, stand in front of a block (endpoint-codec.ts). */
const recordsIn = (bytes: Uint8Array): number => {
  const reader = new ByteReader(bytes);
  reader.number();
  return reader.number();
};

/** Adds one stored entity. */
export const countStored = (counts: Writable<StateCounts>, key: string, bytes: Uint8Array): void => {
  if (key.startsWith('svc/')) counts.services += 1;
  else if (key.startsWith('eps/')) counts.endpoints += recordsIn(bytes);
  else if (key.startsWith('pol/')) counts.documents += 1;
  else if (key.startsWith('raw/')) counts.raw += 1;
  else if (key.startsWith('edges/')) {
    counts.callers += 1;
    counts.edges += (JSON.parse(Buffer.from(bytes).toString()) as CallerEdges).edges.length;
  }
};
