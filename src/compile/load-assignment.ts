/**
 * Load assignments (policies.md section 2): the endpoints of a service port or subset by locality, and EDS `local` for the
 * service's own sidecars. Put together from bytes of blocks.
 */
import { compareText } from '../model/index.ts';
import { ClusterLoadAssignment, contentVersion, encodeCanonical, LocalityLbEndpoints } from '../proto/index.ts';
import { blockBytes, type EntryOptions, type LocalityBytes } from './endpoint-bytes.ts';
import type { EndpointBlock, OwnResource } from './types.ts';
import { wrapped } from './values.ts';

/** EDS name of the callers' own cluster (contracts, "base clusters"). */
export const LOCAL = 'local';

/** Tag and length of `ClusterLoadAssignment.endpoints` (field 2). */
const endpointsHeader = (length: number): Uint8Array => {
  const bytes = [0x12];
  let rest = length;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
};

const byLocality = (
  blocks: readonly EndpointBlock[],
  options: EntryOptions,
): readonly (readonly [LocalityBytes, ...LocalityBytes[]])[] => {
  const groups = new Map<string, [LocalityBytes, ...LocalityBytes[]]>();
  for (const block of blocks) {
    for (const part of blockBytes(block, options)) {
      const group = groups.get(part.key);
      if (group === undefined) groups.set(part.key, [part]);
      else group.push(part);
    }
  }
  return [...groups.values()].sort(([a], [b]) => compareText(a.key, b.key));
};

/** Locality, its endpoints, its weight: always written, since gRPC clients drop a locality without one. */
const localityParts = (group: readonly [LocalityBytes, ...LocalityBytes[]]): readonly Uint8Array[] => {
  const [{ locality, key }] = group;
  const { region, zone, subzone } = locality;
  const head =
    key === '\n\n'
      ? new Uint8Array()
      : encodeCanonical(LocalityLbEndpoints, { locality: { region, zone, subZone: subzone } });
  const weight = group.reduce((sum, part) => sum + part.weight, 0);
  const tail = encodeCanonical(LocalityLbEndpoints, { loadBalancingWeight: wrapped(weight) });
  const parts = [head, ...group.map(({ entries }) => entries), tail];
  return [endpointsHeader(parts.reduce((sum, part) => sum + part.length, 0)), ...parts];
};

const assignment = (name: string, blocks: readonly EndpointBlock[], options: EntryOptions): OwnResource => {
  const head = encodeCanonical(ClusterLoadAssignment, { clusterName: name });
  const body = Buffer.concat([head, ...byLocality(blocks, options).flatMap(localityParts)]);
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
): OwnResource => assignment(name, blocks, { key: JSON.stringify([port, labels]), port, labels, balanced: true });

/** EDS `local`: every endpoint of the callers' service, by locality; zone-aware routing counts them. */
export const localAssignment = (lowestPort: number, blocks: readonly EndpointBlock[]): OwnResource =>
  assignment(LOCAL, blocks, { key: `${LOCAL} ${lowestPort}`, port: lowestPort, labels: [], balanced: false });
