/**
 * Which inputs a compile unit read. Nearly all reads concern the unit's own service, so these are five bits; reads of other
 * services (a Route to them) are kept by name, with an inverse index. 10,000 services with two units each cost 20,000 small
 * numbers instead of 200,000 strings.
 *
 * Documents are tracked per kind, not per scope: a unit that read the effective Route of a port depends on the documents of all
 * scopes above it (mesh, namespace, service, service+port), and which of its ports changed shows in the hashes.
 */
import type { CompileInputs, EndpointBlock, MeshView, ServiceView } from '../compile/index.ts';
import type { ResolvedRoute, ResolvedUpstream } from '../model/index.ts';

export const READ_MESH = 1;
export const READ_SERVICE = 2;
export const READ_ENDPOINTS = 4;
export const READ_ROUTE = 8;
export const READ_UPSTREAM = 16;

export const namespaceOf = (service: string): string => service.slice(service.lastIndexOf('.') + 1);

/** Passes reads on and remembers them. One object serves all compilations, one after the other. */
export class ReadRecorder implements CompileInputs {
  own = 0;
  readonly foreign = new Set<string>();
  readonly #inputs: CompileInputs;
  #service = '';

  constructor(inputs: CompileInputs) {
    this.#inputs = inputs;
  }

  /** Begins a compilation for this service. */
  begin(service: string): void {
    this.#service = service;
    this.own = 0;
    this.foreign.clear();
  }

  mesh(): MeshView {
    this.own |= READ_MESH;
    return this.#inputs.mesh();
  }

  service(name: string): ServiceView | undefined {
    this.#note(name, READ_SERVICE, 'svc:');
    return this.#inputs.service(name);
  }

  endpoints(service: string): readonly EndpointBlock[] {
    this.#note(service, READ_ENDPOINTS, 'eps:');
    return this.#inputs.endpoints(service);
  }

  /** Protocol and existence of the port count too. */
  route(service: string, port: number): ResolvedRoute {
    this.#note(service, READ_SERVICE, 'svc:');
    this.#note(service, READ_ROUTE, 'doc:Route|svc:');
    return this.#inputs.route(service, port);
  }

  upstream(service: string, port: number): ResolvedUpstream {
    this.#note(service, READ_SERVICE, 'svc:');
    this.#note(service, READ_UPSTREAM, 'doc:Upstream|svc:');
    return this.#inputs.upstream(service, port);
  }

  /** Changes of it come as changes of the service. */
  subsetsUsedElsewhere(service: string): readonly { readonly port: number; readonly subset: string }[] {
    this.#note(service, READ_SERVICE, 'svc:');
    return this.#inputs.subsetsUsedElsewhere?.(service) ?? [];
  }

  #note(service: string, bit: number, prefix: string): void {
    if (service === this.#service) {
      this.own |= bit;
      return;
    }
    this.foreign.add(prefix + service);
    // Documents of the other service's namespace and of the mesh have a say as well.
    if (bit === READ_ROUTE || bit === READ_UPSTREAM) {
      const kind = bit === READ_ROUTE ? 'Route' : 'Upstream';
      this.foreign.add(`doc:${kind}|ns:${namespaceOf(service)}`);
      this.foreign.add(`doc:${kind}|mesh`);
    }
  }
}

/** Whose units an input can touch. */
export type InputScope =
  | { readonly of: 'service'; readonly service: string; readonly bit: number; readonly foreign: string }
  | { readonly of: 'namespace'; readonly namespace: string; readonly bit: number; readonly foreign: string }
  | { readonly of: 'all'; readonly bit: number; readonly foreign: string };

const documentBit = (kind: string): number => (kind === 'Route' ? READ_ROUTE : kind === 'Upstream' ? READ_UPSTREAM : 0);

/** Reads an input key; undefined when no resource is compiled from it (edges, Dependency documents). */
export const scopeOfInput = (input: string): InputScope | undefined => {
  if (input === 'mesh') return { of: 'all', bit: READ_MESH, foreign: input };
  const name = input.slice(4);
  if (input.startsWith('svc:')) return { of: 'service', service: name, bit: READ_SERVICE, foreign: input };
  if (input.startsWith('eps:')) return { of: 'service', service: name, bit: READ_ENDPOINTS, foreign: input };
  if (!input.startsWith('doc:')) return undefined;
  const bar = input.indexOf('|');
  const bit = documentBit(input.slice(4, bar));
  const scope = input.slice(bar + 1);
  if (bit === 0) return undefined;
  if (scope === 'mesh') return { of: 'all', bit, foreign: input };
  if (scope.startsWith('ns:')) return { of: 'namespace', namespace: scope.slice(3), bit, foreign: input };
  if (!scope.startsWith('svc:')) return undefined;
  const port = scope.indexOf(':', 4);
  const service = port < 0 ? scope.slice(4) : scope.slice(4, port);
  return { of: 'service', service, bit, foreign: `${input.slice(0, bar)}|svc:${service}` };
};
