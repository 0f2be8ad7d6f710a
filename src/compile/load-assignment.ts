/**
 * Load assignments (policies.md section 2): the endpoints of a service port or subset by locality, and EDS `local` for the
 * service's own sidecars. Put together from bytes of blocks (cluster names are ASCII).
 */
import { compareText } from '../model/index.ts';
import { contentVersion } from '../proto/index.ts';
import { blockBytes, type EntryOptions, type LocalityBytes } from './endpoint-bytes.ts';
import type { EndpointBlock, OwnResource } from './types.ts';
import { varintLength, writeVarint } from './wire.ts';

/** EDS name of the callers' own cluster (contracts, "base clusters"). */
export const LOCAL = 'local';

/** Parts of one locality, of one block or more. */
interface Group {
  readonly parts: LocalityBytes[];
  readonly key: string;
  /** Bytes of locality and endpoints, of all parts. */
  length: number;
  weight: number;
}

const byLocality = (blocks: readonly EndpointBlock[], options: EntryOptions): readonly Group[] => {
  const groups = new Map<string, Group>();
  for (const parts of blockBytes(blocks, options)) {
    for (const part of parts) {
      let group = groups.get(part.key);
      if (group === undefined) {
        group = { parts: [], key: part.key, length: part.head.length, weight: 0 };
        groups.set(part.key, group);
      }
      group.parts.push(part);
      group.length += part.entries.length;
      group.weight += part.weight;
    }
  }
  return [...groups.values()].sort((a, b) => compareText(a.key, b.key));
};

/** Locality, its endpoints, its weight: always written, since gRPC clients drop a locality without one. */
const localityLength = ({ length, weight }: Group): number => length + 3 + varintLength(weight);

const writeLocality = (buffer: Buffer, start: number, group: Group): number => {
  let at = start;
  buffer[at++] = 0x12; // ClusterLoadAssignment.endpoints
  at = writeVarint(buffer, at, localityLength(group));
  for (const [index, { head, entries }] of group.parts.entries()) {
    if (index === 0) {
      buffer.set(head, at);
      at += head.length;
    }
    buffer.set(entries, at);
    at += entries.length;
  }
  buffer[at++] = 0x1a; // load_balancing_weight
  buffer[at++] = 1 + varintLength(group.weight);
  buffer[at++] = 0x08; // value
  return writeVarint(buffer, at, group.weight);
};

const assignment = (name: string, blocks: readonly EndpointBlock[], options: EntryOptions): OwnResource => {
  const groups = byLocality(blocks, options);
  let size = 1 + varintLength(name.length) + name.length;
  for (const group of groups) {
    const length = localityLength(group);
    size += 1 + varintLength(length) + length;
  }
  const body = Buffer.allocUnsafe(size);
  body[0] = 0x0a; // cluster_name
  let at = writeVarint(body, 1, name.length);
  at += body.write(name, at, 'latin1');
  for (const group of groups) at = writeLocality(body, at, group);
  return { version: contentVersion([body]), body };
};

/**
 * Endpoints of `name`: those that have all labels, in the order of the blocks. An endpoint of weight 0 is left out, one that is
 * unhealthy or draining is in with its state.
 */
export const loadAssignment = (
  name: string,
  port: number,
  labels: EntryOptions['labels'],
  blocks: readonly EndpointBlock[],
): OwnResource =>
  assignment(name, blocks, {
    key: labels.length === 0 ? String(port) : JSON.stringify([port, labels]),
    port,
    labels,
    balanced: true,
  });

/** EDS `local`: every endpoint of the callers' service, by locality; zone-aware routing counts them. */
export const localAssignment = (lowestPort: number, blocks: readonly EndpointBlock[]): OwnResource =>
  assignment(LOCAL, blocks, { key: `${LOCAL} ${lowestPort}`, port: lowestPort, labels: [], balanced: false });
