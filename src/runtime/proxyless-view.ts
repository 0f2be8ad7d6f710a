/**
 * The mesh as a gRPC client without a proxy sees it. It asks by name, for `xds:///<service>.<namespace>:<port>`: the listener and
 * the route configuration of that name, then the clusters of its routes and their assignments. What it may hold and learn is what
 * an Envoy of the same caller may; there is nothing of its own, and no virtual host by itself.
 */
import {
  emptyAssignment,
  emptyGrpcCluster,
  grpcListener,
  type OwnInputs,
  UNSUPPORTED_CLUSTER,
} from '../compile/index.ts';
import type { ResourceBody, ResourceType } from '../delta-xds/index.ts';
import { parseClusterName } from '../model/index.ts';
import type { ReadModel } from '../projector/index.ts';
import type { GrpcForms } from './grpc-forms.ts';
import { MeshView, type OwnSet } from './mesh-view.ts';
import type { NodeIdentity } from './node-identity.ts';

/** Clusters that routes may name. */
const isClusterName = (name: string): boolean => name === UNSUPPORTED_CLUSTER || parseClusterName(name) !== undefined;

/**
 * A cluster that a route names has to come, or the client holds back its whole configuration for 15 s (grpc-js): one that does not
 * exist, or that this node may not see, has no endpoints, and calls that are sent there fail at once.
 */
export class ProxylessView extends MeshView {
  readonly #forms: GrpcForms;

  constructor(model: ReadModel, identity: NodeIdentity, compileOwn: (inputs: OwnInputs) => OwnSet, forms: GrpcForms) {
    super(model, identity, compileOwn);
    this.#forms = forms;
  }

  override compiled(type: ResourceType, name: string): ResourceBody | undefined {
    switch (type) {
      case 'lds':
        return this.#isTarget(name) ? grpcListener(name) : undefined;
      case 'rds': {
        const host = this.#isTarget(name) ? (super.get('vhds', name) ?? super.compiled('vhds', name)) : undefined;
        return host === undefined ? undefined : this.#forms.of('rds', name, host);
      }
      case 'cds':
        return isClusterName(name) ? (this.#form('cds', name) ?? emptyGrpcCluster(name)) : undefined;
      case 'eds':
        return isClusterName(name) ? (this.#form('eds', name) ?? emptyAssignment(name)) : undefined;
      default:
        return undefined;
    }
  }

  #form(type: 'cds' | 'eds', name: string): ResourceBody | undefined {
    const found = super.compiled(type, name);
    return found === undefined ? undefined : this.#forms.of(type, name, found);
  }

  /** An HTTP port of a service that this node may call. */
  #isTarget(name: string): boolean {
    return this.resolveHost(name) === name;
  }

  override servicePortOf(name: string): string | undefined {
    const found = super.servicePortOf(name);
    return found !== undefined && this.#isTarget(found) ? found : undefined;
  }
}
