/**
 * Bytes of EDS clusters. Services without an Upstream of their own share their namespace's settings, and their clusters differ in the name
 * alone: so all but the name (field 1, the first of the canonical order) is encoded once for settings and protocol.
 */
import type { Protocol, ResolvedUpstreamSettings } from '../model/index.ts';
import { Cluster, encodeCanonical } from '../proto/index.ts';
import { edsCluster } from './cluster.ts';
import { varintLength, writeVarint } from './wire.ts';

const NAME_TAG = 0x0a;

const rests = new WeakMap<ResolvedUpstreamSettings, Map<Protocol, Uint8Array>>();

const restOf = (protocol: Protocol, settings: ResolvedUpstreamSettings): Uint8Array => {
  let known = rests.get(settings);
  if (known === undefined) {
    known = new Map();
    rests.set(settings, known);
  }
  let rest = known.get(protocol);
  if (rest === undefined) {
    const { name: _name, ...nameless } = edsCluster('', protocol, settings);
    rest = encodeCanonical(Cluster, nameless);
    known.set(protocol, rest);
  }
  return rest;
};

/** The same bytes as `encodeCanonical(Cluster, edsCluster(…))`. Names of clusters are ASCII. */
export const edsClusterBytes = (name: string, protocol: Protocol, settings: ResolvedUpstreamSettings): Uint8Array => {
  const rest = restOf(protocol, settings);
  const head = 1 + varintLength(name.length) + name.length;
  const body = Buffer.allocUnsafe(head + rest.length);
  body[0] = NAME_TAG;
  body.write(name, writeVarint(body, 1, name.length), 'latin1');
  body.set(rest, head);
  return body;
};
