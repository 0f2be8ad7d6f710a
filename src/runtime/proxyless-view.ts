/**
 * The mesh as a gRPC client without a proxy sees it. It asks by name, for `xds:///<service>.<namespace>:<port>`: the listener and
 * the route configuration of that name, then the clusters of its routes and their assignments. What it may call and learn is what
 * an Envoy of the same caller may; there is nothing of its own, and no virtual host by itself.
 *
 * Every name of that form has a listener, routes and a cluster, always. Those of a service that does not exist, that this node may
 * not see, or of a port without HTTP, end in a cluster without endpoints: calls fail at once, and work as soon as there is
 * something to call. A name without an answer would let the client wait 15 s, and hold back all other changes of its routes
 * meanwhile; a listener that was removed and comes back as it was is never noticed by grpc-js 1.14.
 */
import {
  emptyAssignment,
  emptyGrpcCluster,
  grpcListener,
  grpcRoutesTo,
  NOWHERE,
  type OwnInputs,
} from '../compile/index.ts';
import type { ResourceBody, ResourceType } from '../delta-xds/index.ts';
import type { ReadModel } from '../projector/index.ts';
import type { GrpcForms } from './grpc-forms.ts';
import { MeshView } from './mesh-view.ts';
import type { NeedsLists } from './needs-lists.ts';
import type { NodeIdentity } from './node-identity.ts';
import type { OwnSet } from './own-sets.ts';
import type { SharedReads } from './shared-reads.ts';

export class ProxylessView extends MeshView {
  readonly #forms: GrpcForms;
  readonly #names: Pick<SharedReads, 'clusterName'>;

  constructor(
    model: ReadModel,
    identity: NodeIdentity,
    compileOwn: (inputs: OwnInputs) => OwnSet,
    reads: SharedReads,
    lists: NeedsLists,
    forms: GrpcForms,
  ) {
    super(model, identity, compileOwn, reads, lists);
    this.#forms = forms;
    this.#names = reads;
  }

  override compiled(type: ResourceType, name: string): ResourceBody | undefined {
    switch (type) {
      case 'lds':
        return this.#isTarget(name) ? grpcListener(name) : undefined;
      case 'rds':
        return this.#isTarget(name) ? this.#routes(name) : undefined;
      case 'cds':
        return this.#isCluster(name) ? (this.#form('cds', name) ?? emptyGrpcCluster(name)) : undefined;
      case 'eds':
        return this.#isCluster(name) ? (this.#form('eds', name) ?? emptyAssignment(name)) : undefined;
      default:
        return undefined;
    }
  }

  /** `<service>.<namespace>:<port>`: what an application may call. */
  #isTarget(name: string): boolean {
    const parts = this.#names.clusterName(name);
    return parts !== undefined && parts.subset === undefined;
  }

  /** What routes may name. */
  #isCluster(name: string): boolean {
    return name === NOWHERE || this.#names.clusterName(name) !== undefined;
  }

  #routes(name: string): ResourceBody | undefined {
    if (!this.#mayCall(name)) {
      // Calls that wait keep the cluster that they were given at first: it is the target's own, unless that one could be called.
      return grpcRoutesTo(name, super.compiled('cds', name) === undefined ? name : NOWHERE);
    }
    // `get`: a raw virtual host that an operator has put.
    const host = super.get('vhds', name) ?? super.compiled('vhds', name);
    return host === undefined ? grpcRoutesTo(name, name) : this.#forms.of('rds', name, host);
  }

  #form(type: 'cds' | 'eds', name: string): ResourceBody | undefined {
    const found = super.compiled(type, name);
    return found === undefined ? undefined : this.#forms.of(type, name, found);
  }

  /** An HTTP port of a service that this node may see, and whose edge is declared or may be learned. */
  #mayCall(name: string): boolean {
    return this.resolveHost(name) === name;
  }

  override servicePortOf(name: string): string | undefined {
    const found = super.servicePortOf(name);
    return found !== undefined && this.#mayCall(found) ? found : undefined;
  }
}
