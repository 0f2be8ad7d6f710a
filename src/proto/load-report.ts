/** LoadStatsRequest by hand (envoy.service.load_stats.v3, envoy.config.endpoint.v3.ClusterStats): calls by cluster, nothing finer. */
import { emptyNode, type NodeDraft, type ProtoNode, readNode } from './node.ts';
import { BYTES, DEFAULT_WIRE_LIMITS, overLimit, VARINT, type WireLimits, WireReader } from './wire-reader.ts';

/** What a client says of one cluster, since its last report. */
export interface ClusterLoad {
  /** '' when it is no name: not ASCII, or above 512 bytes. */
  readonly cluster: string;
  /** Requests begun, all localities. */
  readonly issued: number;
  /** Requests that have ended well, and with an error. */
  readonly succeeded: number;
  readonly failed: number;
  /** Requests dropped before they were sent. */
  readonly dropped: number;
  /** Requests open as of now. */
  readonly inProgress: number;
}

export interface LoadReport {
  /** Only in the first message of a stream. */
  readonly node: ProtoNode | undefined;
  readonly clusters: readonly ClusterLoad[];
}

const MAX_CLUSTERS = 10_000;
const MAX_NAME = 512;

type Draft = { -readonly [K in keyof ClusterLoad]: ClusterLoad[K] };

/** Throws `TendrilError` `XDS_MALFORMED` (no valid message) or `XDS_LIMIT` (above 10,000 clusters). */
export function decodeLoadReport(bytes: Uint8Array, limits: WireLimits = DEFAULT_WIRE_LIMITS): LoadReport {
  const reader = new WireReader(bytes);
  let node: NodeDraft | undefined;
  const clusters: ClusterLoad[] = [];
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | BYTES)) {
      node ??= emptyNode();
      readNode(reader, node, limits);
    } else if (tag === ((2 << 3) | BYTES)) {
      if (clusters.length >= MAX_CLUSTERS) throw overLimit('clusters', MAX_CLUSTERS);
      clusters.push(readCluster(reader));
    } else reader.skip(tag);
  }
  return { node, clusters };
}

function readCluster(reader: WireReader): ClusterLoad {
  const outer = reader.enter();
  const load: Draft = { cluster: '', issued: 0, succeeded: 0, failed: 0, dropped: 0, inProgress: 0 };
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | BYTES)) load.cluster = reader.ascii(MAX_NAME) ?? '';
    else if (tag === ((2 << 3) | BYTES)) readLocality(reader, load);
    else if (tag === ((3 << 3) | VARINT)) load.dropped = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return load;
}

function readLocality(reader: WireReader, load: Draft): void {
  const outer = reader.enter();
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((2 << 3) | VARINT)) load.succeeded += reader.varint();
    else if (tag === ((3 << 3) | VARINT)) load.inProgress += reader.varint();
    else if (tag === ((4 << 3) | VARINT)) load.failed += reader.varint();
    else if (tag === ((8 << 3) | VARINT)) load.issued += reader.varint();
    else reader.skip(tag);
  }
  reader.leave(outer);
}

/**
 * The only LoadStatsResponse that is sent: `send_all_clusters`, an interval of 10 s, no single endpoints. Fields 2 (Duration of 10
 * seconds) and 4.
 */
export const LOAD_STATS_RESPONSE: Uint8Array = Uint8Array.of((2 << 3) | BYTES, 2, 1 << 3, 10, 4 << 3, 1);
