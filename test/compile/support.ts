/** A mesh in memory: services, endpoints and documents as YAML, with the real grammar behind `CompileInputs`. */
import {
  type CompiledResource,
  type CompileInputs,
  compileService,
  type EndpointBlock,
  type EndpointView,
  type ServiceView,
} from '../../src/compile/index.ts';
import {
  effective,
  isCompiledKind,
  type JsonObject,
  keyOf,
  type LayerDocument,
  type LayeredKind,
  type PolicyDocument,
  parseDocuments,
  resolveRoute,
  resolveUpstream,
  type ServicePortSpec,
  scopeChain,
  scopeKeyOf,
} from '../../src/model/index.ts';
import { Cluster } from '../../src/proto/index.ts';

export const SUFFIXES = ['.mesh.local', '.svc.cluster.local'];

export const http = (port: number): ServicePortSpec => ({ port, protocol: 'http' });
export const port = (number: number, protocol: ServicePortSpec['protocol']): ServicePortSpec => ({
  port: number,
  protocol,
});

/** `name`: `<service>.<namespace>`. */
export const service = (name: string, fields: Partial<ServiceView> = {}): ServiceView => {
  const ports = fields.ports ?? [http(80)];
  const httpPorts = ports.filter(({ protocol }) => protocol !== 'tcp').map((each) => each.port);
  return {
    name,
    namespace: name.slice(name.indexOf('.') + 1),
    labels: {},
    interfaces: [],
    externalHosts: [],
    visibility: 'mesh',
    defaultPort: httpPorts.length === 0 ? undefined : Math.min(...httpPorts),
    ...fields,
    ports,
  };
};

export const endpoint = (id: string, fields: Partial<EndpointView> = {}): EndpointView => ({
  id,
  address: `10.0.0.${Number(id.replace(/\D/g, '') || 0) % 250}`,
  ...fields,
});

export const block = (endpoints: readonly EndpointView[]): EndpointBlock => ({
  size: endpoints.length,
  endpoints: () => endpoints,
});

/** Documents without their `apiVersion` lines, as policies.md writes them. */
export const documents = (yaml: string): readonly PolicyDocument[] => {
  if (yaml.trim() === '') return [];
  const text = yaml
    .split(/^---$/m)
    .map((part) => `apiVersion: tendril.dev/v1\n${part.trimStart()}`)
    .join('\n---\n');
  const parsed = parseDocuments(text);
  const errors = parsed.findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(JSON.stringify(errors, null, 1));
  return parsed.documents.map(({ document }) => document);
};

const isLayered = (document: PolicyDocument): boolean => isCompiledKind(document.kind) && document.kind !== 'Service';

export interface MeshFacts {
  readonly services: readonly ServiceView[];
  readonly endpoints?: Readonly<Record<string, readonly EndpointView[]>>;
  readonly blocks?: Readonly<Record<string, readonly EndpointBlock[]>>;
  readonly yaml?: string;
  readonly suffixes?: readonly string[];
  readonly elsewhere?: Readonly<Record<string, readonly { readonly port: number; readonly subset: string }[]>>;
}

export interface TestMesh extends CompileInputs {
  readonly services: readonly ServiceView[];
  /** Every input read, e.g. `service cart.shop`. */
  readonly reads: Set<string>;
}

export const mesh = (facts: MeshFacts): TestMesh => {
  const layers = documents(facts.yaml ?? '')
    .filter(isLayered)
    .map((document) => ({
      kind: document.kind,
      layer: { document: keyOf(document), scope: scopeKeyOf(document), spec: document.spec as JsonObject },
    }));
  const blocks = new Map(
    Object.entries(facts.endpoints ?? {}).map(([name, endpoints]) => [
      name,
      [block([...endpoints].sort((a, b) => (a.id < b.id ? -1 : 1)))],
    ]),
  );
  for (const [name, given] of Object.entries(facts.blocks ?? {})) blocks.set(name, [...given]);
  const reads = new Set<string>();
  const find = (name: string): ServiceView | undefined => facts.services.find((each) => each.name === name);
  const chain = (kind: LayeredKind, name: string, number: number): LayerDocument[] => {
    const scopes = scopeChain(name, number);
    return layers.filter((each) => each.kind === kind && scopes.includes(each.layer.scope)).map(({ layer }) => layer);
  };
  return {
    services: facts.services,
    reads,
    mesh: () => ({ name: 'default', suffixes: facts.suffixes ?? SUFFIXES }),
    service: (name) => {
      reads.add(`service ${name}`);
      return find(name);
    },
    endpoints: (name) => {
      reads.add(`endpoints ${name}`);
      return blocks.get(name) ?? [];
    },
    route: (name, number) => {
      reads.add(`route ${name}:${number}`);
      const protocol = find(name)?.ports.find((each) => each.port === number)?.protocol ?? 'http';
      return resolveRoute(effective('Route', chain('Route', name, number)), { service: name, port: number, protocol });
    },
    upstream: (name, number) => {
      reads.add(`upstream ${name}:${number}`);
      return resolveUpstream(effective('Upstream', chain('Upstream', name, number)));
    },
    subsetsUsedElsewhere: (name) => facts.elsewhere?.[name] ?? [],
  };
};

/** Both units of every service. */
export const compileAll = (inputs: TestMesh): readonly CompiledResource[] =>
  inputs.services.flatMap(({ name }) => [
    ...compileService('config', name, inputs),
    ...compileService('endpoints', name, inputs),
  ]);

export const find = (
  resources: readonly CompiledResource[],
  type: CompiledResource['type'],
  name: string,
  variant = '',
): CompiledResource => {
  const found = resources.filter((each) => each.type === type && each.name === name && each.variant === variant);
  const [only] = found;
  if (only === undefined || found.length > 1)
    throw new Error(
      `${found.length} resources ${type} ${variant} ${name}; there are ${resources.map((each) => `${each.type} ${each.name}`).join(', ')}`,
    );
  return only;
};

export const clusterOf = (inputs: TestMesh, name: string): Cluster =>
  Cluster.decode(find(compileAll(inputs), 'cds', name).body);
