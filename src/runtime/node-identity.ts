/**
 * Who a node is (contracts, "xDS names: node"): metadata, else `node.cluster`, else the id `sidecar~<endpoint>~<service>.<namespace>`.
 * A caller need not be a registered service. What does not parse is ignored, never an error: an unknown caller sees what
 * anybody may see.
 */
import type { NodeFacts } from '../delta-xds/index.ts';
import { isDnsLabel, parseServiceName, serviceName } from '../model/index.ts';
import type { ProtoNode } from '../proto/index.ts';
import { type Needs, readNeeds } from './node-needs.ts';

export interface ListenFacts {
  readonly address: string;
  readonly outbound: number;
  readonly inbound: number | undefined;
}

export interface NodeIdentity {
  readonly facts: NodeFacts;
  readonly listen: ListenFacts;
  /** What it wants beside its caller's edges. */
  readonly needs?: Needs;
  /** Why its `needs` were ignored. */
  readonly needsProblem?: string;
}

/** Caller of nodes that do not say who they are; it has no edges of its own to share. */
export const ANONYMOUS = 'unknown.default';

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

const label = (value: unknown): string | undefined =>
  typeof value === 'string' && isDnsLabel(value) ? value : undefined;

const port = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535 ? value : undefined;

/** ms, at most a day. */
const drainTime = (value: unknown): number | undefined =>
  typeof value === 'number' && value >= 0 && value <= 86_400_000 ? value : undefined;

const IP = /^(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]+)$/;

/** Reads the identity out of a stream's first message. */
export const identify = (node: ProtoNode): NodeIdentity => {
  const metadata = record(node.metadata);
  const named = label(metadata.service);
  const [kind, endpointInId, serviceInId] = node.id.split('~');
  const fromId = kind === 'sidecar' ? parseServiceName(serviceInId ?? '') : undefined;
  const service =
    named !== undefined
      ? { name: named, namespace: label(metadata.namespace) ?? 'default' }
      : (parseServiceName(node.cluster) ?? fromId);
  const caller = service === undefined ? ANONYMOUS : serviceName(service.namespace, service.name);
  const said = metadata.endpoint;
  const endpoint =
    typeof said === 'string' && said !== '' && said.length <= 256
      ? said
      : named === undefined && fromId !== undefined && endpointInId !== ''
        ? endpointInId
        : undefined;
  const account = label(metadata.serviceAccount);
  const listen = record(metadata.listen);
  const address = listen.address;
  const drainMs = drainTime(metadata.drainTimeMs);
  const wish = readNeeds(metadata.needs);
  return {
    facts: {
      id: node.id,
      caller,
      namespace: service?.namespace ?? 'default',
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(account === undefined ? {} : { serviceAccount: account }),
      ...(drainMs === undefined ? {} : { drainMs }),
      ...(node.locality?.region ? { region: node.locality.region } : {}),
      ...(node.locality?.zone ? { zone: node.locality.zone } : {}),
      proxyless: /^gRPC/i.test(node.userAgentName ?? ''),
      ...('problem' in wish || wish.needs === undefined ? {} : { needs: true }),
    },
    listen: {
      address: typeof address === 'string' && IP.test(address) ? address : '127.0.0.1',
      outbound: port(listen.outbound) ?? 15001,
      inbound: port(listen.inbound),
    },
    ...('problem' in wish ? { needsProblem: wish.problem } : wish.needs === undefined ? {} : { needs: wish.needs }),
  };
};
