/**
 * The mesh as an Envoy sees it that speaks the state-of-the-world form: there is no VHDS, so its route configurations hold the virtual
 * hosts of its edges, declared and learned; what else it calls it has to declare.
 */
import { inlineRouteConfiguration } from '../compile/index.ts';
import type { ResourceBody, ResourceType } from '../delta-xds/index.ts';
import { MeshView } from './mesh-view.ts';

interface Made {
  readonly versions: readonly string[];
  readonly body: ResourceBody;
}

export class StateView extends MeshView {
  /** Route configurations, with the versions of the virtual hosts they were made of. */
  readonly #made = new Map<string, Made>();

  protected override get onDemand(): boolean {
    return false;
  }

  override compiled(type: ResourceType, name: string): ResourceBody | undefined {
    const body = super.compiled(type, name);
    return type === 'rds' && body !== undefined ? this.#routes(name) : body;
  }

  #routes(name: string): ResourceBody {
    const hosts = this.preload().flatMap((servicePort) => {
      const body = this.get('vhds', servicePort);
      return body === undefined ? [] : [{ servicePort, tail: body.body, version: body.version }];
    });
    const known = this.#made.get(name);
    if (known?.versions.length === hosts.length && hosts.every(({ version }, at) => version === known.versions[at]))
      return known.body;
    const body = inlineRouteConfiguration(name, hosts);
    this.#made.set(name, { versions: hosts.map(({ version }) => version), body });
    return body;
  }
}
