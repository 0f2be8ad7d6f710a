/**
 * Names of the mesh, in the one spelling that documents, graph, clusters and `why` share.
 *
 * - service name: `<service>.<namespace>`
 * - service port: `<service>.<namespace>:<port>`
 * - cluster name: `<service>.<namespace>:<port>` or `<service>.<namespace>:<port>/<subset>`
 * - route configuration of a sidecar: `outbound`, of later generations `outbound~<n>`
 */

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SERVICE_NAME = /^([a-z0-9][-a-z0-9]*)\.([a-z0-9][-a-z0-9]*)$/;
const SERVICE_TARGET = /^([a-z0-9][-a-z0-9]*)\.([a-z0-9][-a-z0-9]*)(?::([0-9]{1,5}))?$/;

/** True for a DNS label (RFC 1123): 1..63 of `a-z 0-9 -`, no dash at either end. */
export const isDnsLabel = (text: string): boolean => DNS_LABEL.test(text);

/** `<service>.<namespace>`. */
export const serviceName = (namespace: string, name: string): string => `${name}.${namespace}`;

export interface ServiceRef {
  readonly name: string;
  readonly namespace: string;
}

export interface TargetRef extends ServiceRef {
  /** Absent: all ports of the service. */
  readonly port?: number;
}

/** Splits `<service>.<namespace>`; undefined when the text is not of that form. */
export const parseServiceName = (text: string): ServiceRef | undefined => {
  const match = SERVICE_NAME.exec(text);
  const [, name, namespace] = match ?? [];
  if (name === undefined || namespace === undefined || !isDnsLabel(name) || !isDnsLabel(namespace)) return undefined;
  return { name, namespace };
};

/** Splits `<service>.<namespace>[:<port>]`; undefined when the text is not of that form or the port is not 1..65535. */
export const parseTarget = (text: string): TargetRef | undefined => {
  const match = SERVICE_TARGET.exec(text);
  const [, name, namespace, portText] = match ?? [];
  if (name === undefined || namespace === undefined || !isDnsLabel(name) || !isDnsLabel(namespace)) return undefined;
  if (portText === undefined) return { name, namespace };
  const port = Number(portText);
  return port >= 1 && port <= 65535 ? { name, namespace, port } : undefined;
};

/** `<service>.<namespace>:<port>`: the canonical name of one port of a service. */
export const servicePort = (service: string, port: number): string => `${service}:${port}`;

/** The parts of a cluster name or service port. */
export interface ClusterName {
  readonly service: string;
  readonly port: number;
  readonly subset?: string;
}

/** Splits a cluster name or service port into its parts; undefined when it is neither. */
export const parseClusterName = (text: string): ClusterName | undefined => {
  const slash = text.indexOf('/');
  const subset = slash < 0 ? undefined : text.slice(slash + 1);
  const target = parseTarget(slash < 0 ? text : text.slice(0, slash));
  if (target?.port === undefined || (subset !== undefined && !isDnsLabel(subset))) return undefined;
  const service = serviceName(target.namespace, target.name);
  return subset === undefined ? { service, port: target.port } : { service, port: target.port, subset };
};

/** `<service>.<namespace>:<port>[/<subset>]`: cluster name and EDS service name alike. */
export const clusterName = (service: string, port: number, subset?: string): string =>
  subset === undefined ? `${service}:${port}` : `${service}:${port}/${subset}`;

/** Listener through which an application calls others, and the first generation of its route configuration. */
export const OUTBOUND_NAME = 'outbound';

/** The last generation there is. */
export const MAX_GENERATION = 999_999_999;

/** Route configuration of generation `n`, 0 to `MAX_GENERATION`: `outbound`, `outbound~<n>`. */
export const outboundRoutes = (n: number): string => (n === 0 ? OUTBOUND_NAME : `${OUTBOUND_NAME}~${n}`);

/** Generation of a route configuration's name; undefined: it is of another form. */
export const generationOf = (name: string): number | undefined => {
  if (name === OUTBOUND_NAME) return 0;
  const digits = /^outbound~([1-9][0-9]{0,8})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
};
