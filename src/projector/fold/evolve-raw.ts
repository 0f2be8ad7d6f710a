/**
 * Raw resources (contracts, "Raw resources"): put, deleted, cleared.
 *
 * Invariants
 * 1. The last put of (node, type, name) counts, whoever sent it: raw resources have no facets.
 * 2. Equal content put again is no change of the resource; offset, author and label are the new ones.
 * 3. The label of (node, type) is the `version` of the last applied event on it; without one there is no label.
 * 4. A resource that does not read (`readRawResource`) is quarantined; what exceeds a bound is rejected.
 * 5. A refusal is for people: it changes nothing.
 * 6. Deleting what is not there, and clearing what is empty, is applied and changes no resource.
 */
import { readRawResource } from '../../compile/index.ts';
import { nodeOfRawKey, type RawRef, type RecordedEvent, rawKey, rawSetKey, setOfRawKey } from '../../model/index.ts';
import type { MeshState } from './mesh-state.ts';
import { contentOf, type RawEntity } from './raw-entity.ts';
import { APPLIED, type Applied, quarantined, type Refusal, rejected } from './verdict.ts';

/** Raw resources of all nodes together. */
export const MAX_RAW_RESOURCES = 100_000;
/** Of one node; those of every node together are only bound by the sum. */
export const MAX_RAW_OF_NODE = 10_000;
/** Bytes of all of them: they are kept in memory. */
export const MAX_RAW_TOTAL_BYTES = 256 * 2 ** 20;
/** Pairs of node and type that have resources or a label. */
export const MAX_RAW_SETS = 100_000;

const boundProblem = (state: MeshState, key: string, next: RawEntity): string | undefined => {
  const { rawIndex } = state;
  const before = state.raw.get(key);
  const node = nodeOfRawKey(key);
  const bytes = rawIndex.bytes + next.body.length - (before?.body.length ?? 0);
  if (bytes > MAX_RAW_TOTAL_BYTES && next.body.length > (before?.body.length ?? 0))
    return `All raw resources would have ${bytes} bytes together; ${MAX_RAW_TOTAL_BYTES} are allowed.`;
  if (before !== undefined) return undefined;
  if (rawIndex.count >= MAX_RAW_RESOURCES)
    return `There are ${rawIndex.count} raw resources already; ${MAX_RAW_RESOURCES} are allowed.`;
  if (node !== '' && rawIndex.countOf(node) >= MAX_RAW_OF_NODE)
    return `Node ${decodeURIComponent(node)} has ${MAX_RAW_OF_NODE} raw resources already; ${MAX_RAW_OF_NODE} are allowed.`;
  return setProblem(state, setOfRawKey(key));
};

const setProblem = (state: MeshState, set: string): string | undefined =>
  state.rawSets.get(set) === undefined && state.rawIndex.setCount >= MAX_RAW_SETS
    ? `There are raw resources or labels of ${MAX_RAW_SETS} pairs of node and type already; ${MAX_RAW_SETS} are allowed.`
    : undefined;

/** Invariant 3; a set without resources and label goes. */
const settleSet = (state: MeshState, set: string, label: string | undefined, offset: number): void => {
  const before = state.rawSets.get(set);
  const isGone = label === undefined && state.rawIndex.keysOf(set).size === 0;
  if (before === undefined && isGone) return;
  state.rawSets.set(set, isGone ? undefined : { offset, ...(label === undefined ? {} : { label }) });
  if (before?.label !== label) state.changes.touchInput(`rawset:${set}`);
};

/** Invariant 5. */
export const resourceRefused = (state: MeshState, event: RecordedEvent<'resource.refused'>): Applied => {
  const { data } = event;
  const offset = state.raw.get(rawKey(data))?.offset;
  return offset === data.offset
    ? APPLIED
    : { message: `The ${nameOf(data)} of offset ${data.offset} is not the present one.` };
};

/** An empty label says nothing. */
const labelOf = (version: string | undefined): string | undefined => (version === '' ? undefined : version);

export const resourcePut = (state: MeshState, event: RecordedEvent<'resource.put'>): Applied | Refusal => {
  const { data, offset, recordedAt, source, reason } = event;
  const read = readRawResource(data.typeUrl, data.name, data.resource);
  if ('code' in read) return quarantined(read.code, `data${read.pointer}: ${read.message}`);
  const key = rawKey(data);
  const before = state.raw.get(key);
  const isSame = before?.version === read.version;
  const next: RawEntity = {
    ...(isSame ? contentOf(before) : read),
    offset,
    recordedAt,
    source: state.intern(source),
    ...(reason === undefined ? {} : { reason }),
  };
  const problem = boundProblem(state, key, next);
  if (problem !== undefined) return rejected('E106', problem);
  state.raw.set(key, next);
  if (!isSame) state.changes.touchInput(`raw:${key}`);
  settleSet(state, setOfRawKey(key), labelOf(data.version), offset);
  return APPLIED;
};

const nameOf = ({ node, typeUrl, name }: RawRef): string =>
  `raw resource ${JSON.stringify(name)} of type ${typeUrl} for ${node === undefined ? 'every node' : `node ${JSON.stringify(node)}`}`;

export const resourceDeleted = (state: MeshState, event: RecordedEvent<'resource.delete'>): Applied | Refusal => {
  const { data, offset } = event;
  const key = rawKey(data);
  const set = rawSetKey(data.node, data.typeUrl);
  const label = labelOf(data.version);
  const problem = label === undefined ? undefined : setProblem(state, set);
  if (problem !== undefined) return rejected('E106', problem);
  const isThere = state.raw.get(key) !== undefined;
  if (isThere) {
    state.raw.set(key, undefined);
    state.changes.touchInput(`raw:${key}`);
  }
  settleSet(state, set, label, offset);
  return isThere ? APPLIED : { message: `There is no ${nameOf(data)}: nothing to delete.` };
};

export const resourcesCleared = (state: MeshState, event: RecordedEvent<'resource.clear'>): Applied => {
  const { node } = event.data;
  const sets = [...state.rawIndex.setsOf(nodeOfRawKey(rawSetKey(node, '')))];
  for (const set of sets) {
    for (const key of [...state.rawIndex.keysOf(set)]) {
      state.raw.set(key, undefined);
      state.changes.touchInput(`raw:${key}`);
    }
    settleSet(state, set, undefined, event.offset);
  }
  return sets.length > 0 ? APPLIED : { message: 'There are no raw resources of that node: nothing to clear.' };
};
