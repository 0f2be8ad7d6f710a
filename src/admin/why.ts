/**
 * Why a sidecar holds a resource: the chain resource <- documents and events it is made of <- edge with its evidence <- node.
 * Joins the ledger with state and graph; decides nothing.
 */
import { documentKey, parseClusterName, parseServiceName, rawSubject, serviceName } from '../model/index.ts';
import { recordAt } from './document-history.ts';
import { edgeRow } from './graph/index.ts';
import type {
  AdminPorts,
  DocumentView,
  EdgeView,
  FacetView,
  ProxyView,
  RawView,
  ResourceView,
  StateView,
} from './ports.ts';

/** What the chain is read from: now, or of an earlier state. */
export interface WhyPorts extends Pick<AdminPorts, 'events' | 'raw'> {
  readonly state: StateView;
  readonly graph: { edgesOf(caller: string, now?: number): readonly EdgeView[] };
}

export interface WhySource {
  /** `Route/shop/cart`, or the service for what was registered by events. */
  readonly of: string;
  /** Offset of the last event that shaped it. */
  readonly offset: number;
  /** Author: source of that event. */
  readonly source: string;
  readonly recordedAt: string;
  readonly reason?: string;
  readonly file?: string;
  readonly line?: number;
}

export interface WhyAnswer {
  readonly proxy: string;
  /** `<service>.<namespace>` of the sidecar. */
  readonly caller: string;
  readonly type: string;
  readonly name: string;
  /** What it stands for: a service port, the sidecar's own service, or the mesh. */
  readonly subject: string;
  /**
   * `edge`: an edge of its caller · `own`: it is its own · `base`: every sidecar has it · `asked`: the sidecar asked for it ·
   * `needs`: no edge; the sidecar's node says which services it needs · `raw`: somebody put it, and it wins over what is compiled.
   */
  readonly because: 'edge' | 'own' | 'base' | 'asked' | 'needs' | 'raw';
  readonly edges: readonly Readonly<Record<string, unknown>>[];
  readonly builtFrom: readonly WhySource[];
  /** The sidecar. */
  readonly node: Readonly<Record<string, unknown>>;
  /** What the ledger knows of its delivery. */
  readonly delivery?: Readonly<Record<string, unknown>>;
  /** One sentence. */
  readonly summary: string;
}

interface Target {
  readonly service: string;
  readonly port: number | undefined;
}

const time = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString();

/** Service and port that a resource stands for; undefined for what belongs to the sidecar itself. */
export const targetOfResource = (type: string, name: string): Target | undefined => {
  // `<route configuration>/<service port>` and `tcp/<service port>`.
  const slash = name.indexOf('/');
  const text = type === 'vhds' || (type === 'lds' && name.startsWith('tcp/')) ? name.slice(slash + 1) : name;
  // Listeners of a sidecar itself (`outbound`, `inbound/80`) are no service ports; those of gRPC applications are named after one.
  const cluster = parseClusterName(text);
  return cluster === undefined ? undefined : { service: cluster.service, port: cluster.port };
};

const ofDocument = (stored: DocumentView): WhySource => ({
  of: documentKey(stored.kind, stored.namespace, stored.name),
  offset: stored.offset,
  source: stored.source,
  recordedAt: new Date(stored.recordedAt).toISOString(),
  ...(stored.reason === undefined ? {} : { reason: stored.reason }),
  ...(stored.file === undefined ? {} : { file: stored.file }),
  ...(stored.line === undefined ? {} : { line: stored.line }),
});

/** The fold keeps no reason of a service: the event has it, while the log has the event. */
const ofFacet = async (ports: WhyPorts, service: string, facet: FacetView, signal: AbortSignal): Promise<WhySource> => {
  const { offset, source, recordedAt } = facet;
  const record = offset < ports.events.head().first ? undefined : await recordAt(ports, offset, signal);
  const reason = record?.offset === offset ? record.event?.reason : undefined;
  return {
    of: service,
    offset,
    source,
    recordedAt: new Date(recordedAt).toISOString(),
    ...(reason === undefined ? {} : { reason }),
  };
};

/** Splits `Kind/namespace/name`. */
const storedOf = (ports: WhyPorts, key: string): DocumentView | undefined => {
  const [kind = '', namespace = '', name = ''] = key.split('/');
  return ports.state.policy(kind, namespace, name);
};

/** Documents that took part in the effective Route and Upstream of a port. */
export const documentsOfPort = (state: StateView, service: string, port: number): readonly string[] => {
  if (state.service(service) === undefined) return [];
  const { compileInputs } = state;
  return [
    ...new Set([...compileInputs.route(service, port).documents, ...compileInputs.upstream(service, port).documents]),
  ].sort();
};

/** Documents and events that a service port is made of: the service's own words first, then what shaped its routes. */
const sourcesOf = async (ports: WhyPorts, target: Target, signal: AbortSignal): Promise<readonly WhySource[]> => {
  const { state } = ports;
  const [facet] = state.serviceFacets(target.service);
  const keys = target.port === undefined ? [] : documentsOfPort(state, target.service, target.port);
  const documents = keys.flatMap((key) => {
    const stored = storedOf(ports, key);
    return stored === undefined ? [] : [ofDocument(stored)];
  });
  if (facet === undefined) return documents;
  // A facet of a Service document is named after it; the document knows its author.
  const document = facet.source.startsWith('Service/') ? storedOf(ports, facet.source) : undefined;
  const service = document === undefined ? await ofFacet(ports, target.service, facet, signal) : ofDocument(document);
  return [service, ...documents];
};

/** Documents that declare an edge, and where they are written. */
const explainedEdge = (ports: WhyPorts, edge: EdgeView): Readonly<Record<string, unknown>> => {
  const documents = edge.declaredBy.flatMap((key) => {
    const stored = key.includes('/') ? storedOf(ports, key) : undefined;
    return stored === undefined ? [] : [ofDocument(stored)];
  });
  return { ...edgeRow(edge), ...(documents.length === 0 ? {} : { documents }) };
};

const delivery = (resource: ResourceView | undefined): { readonly delivery?: Readonly<Record<string, unknown>> } => {
  if (resource === undefined) return {};
  const { type: _type, name: _name, sentAt, ackedAt, ...rest } = resource;
  return {
    delivery: {
      ...rest,
      ...(sentAt === undefined ? {} : { sentAt: time(sentAt) }),
      ...(ackedAt === undefined ? {} : { ackedAt: time(ackedAt) }),
      ...(sentAt === undefined || ackedAt === undefined ? {} : { ackedAfterMs: ackedAt - sentAt }),
    },
  };
};

const nodeOf = ({ id, service, state, connectedAt, endpoint }: ProxyView): Readonly<Record<string, unknown>> => ({
  id,
  service,
  state,
  ...(connectedAt === undefined ? {} : { connectedAt: time(connectedAt) }),
  ...(endpoint === undefined ? {} : { endpoint }),
});

const ownSummary = (proxy: ProxyView, type: string, name: string): string =>
  `${proxy.id} holds ${type} ${name} because it is its own: every sidecar of ${proxy.service} gets it`;

const subjectOf = ({ service, port }: Target): string => (port === undefined ? service : `${service}:${port}`);

/** Edges of the sidecar's service to what a resource stands for, but for denied ones. */
const edgesTo = (ports: WhyPorts, proxy: ProxyView, target: Target): readonly EdgeView[] =>
  ports.graph
    .edgesOf(proxy.service, Date.now())
    .filter((edge) => edge.to === target.service && (edge.port === undefined || edge.port === target.port))
    .filter((edge) => edge.state !== 'denied');

const ofRaw = (raw: RawView): WhySource => ({
  of: rawSubject(raw),
  offset: raw.offset,
  source: raw.source,
  recordedAt: new Date(raw.recordedAt).toISOString(),
  ...(raw.reason === undefined ? {} : { reason: raw.reason }),
});

const rawSummary = (proxy: ProxyView, type: string, name: string, raw: RawView): string => {
  const where = raw.node === undefined ? 'every node' : 'this node';
  return `${proxy.id} is sent ${type} ${name} as a raw resource: event ${raw.offset} by ${raw.source} put it for ${where}, and it wins over what is compiled`;
};

/**
 * The chain for one resource of a sidecar; undefined when the sidecar neither holds it nor has an edge to what it stands for.
 * @param resource the ledger's entry, if there is one
 */
export const explain = async (
  ports: WhyPorts,
  proxy: ProxyView,
  type: string,
  name: string,
  resource: ResourceView | undefined,
  signal: AbortSignal,
): Promise<WhyAnswer | undefined> => {
  const target = targetOfResource(type, name);
  const head = { proxy: proxy.id, caller: proxy.service, type, name, node: nodeOf(proxy) };
  const raw = ports.raw?.resource(proxy.id, type, name);
  if (raw !== undefined) {
    return {
      ...head,
      subject: target === undefined ? 'raw' : subjectOf(target),
      because: 'raw',
      edges: (target === undefined ? [] : edgesTo(ports, proxy, target)).map((edge) => explainedEdge(ports, edge)),
      builtFrom: [ofRaw(raw)],
      ...delivery(resource),
      summary: rawSummary(proxy, type, name, raw),
    };
  }
  if (target === undefined) {
    if (resource === undefined) return undefined;
    const isBase = type === 'rds' || (type === 'eds' && name === 'local');
    const own = parseServiceName(proxy.service);
    const ownTarget = own && { service: serviceName(own.namespace, own.name), port: undefined };
    const builtFrom = ownTarget === undefined ? [] : await sourcesOf(ports, ownTarget, signal);
    return {
      ...head,
      subject: isBase ? 'mesh' : proxy.service,
      because: isBase ? 'base' : 'own',
      edges: [],
      builtFrom,
      ...delivery(resource),
      summary: ownSummary(proxy, type, name),
    };
  }
  const edges = edgesTo(ports, proxy, target);
  if (edges.length === 0 && resource === undefined) return undefined;
  const subject = subjectOf(target);
  return {
    ...head,
    subject,
    because: edges.length > 0 ? 'edge' : proxy.needs === true ? 'needs' : 'asked',
    edges: edges.map((edge) => explainedEdge(ports, edge)),
    builtFrom: await sourcesOf(ports, target, signal),
    ...delivery(resource),
    summary: summaryOf(proxy, type, name, subject, edges),
  };
};

const summaryOf = (
  proxy: ProxyView,
  type: string,
  name: string,
  subject: string,
  edges: readonly EdgeView[],
): string => {
  const [edge] = edges;
  if (edge === undefined && proxy.needs === true)
    return `${proxy.id} holds ${type} ${name} without an edge: its node says which services it needs (metadata needs), and ${subject} is one of them or was asked for a moment ago`;
  if (edge === undefined)
    return `${proxy.id} holds ${type} ${name} because it asked for ${subject}; the edge is not in the log yet`;
  const since = edge.firstOffset === undefined ? '' : ` since event ${edge.firstOffset}`;
  const evidence = edge.evidence.length === 0 ? '' : ` (${edge.evidence.join(', ')})`;
  return `${proxy.id} holds ${type} ${name} because of the ${edge.origin} edge ${edge.from} -> ${subject}${evidence}${since}`;
};
