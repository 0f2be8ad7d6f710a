/** A server session's half of `joined-pair.ts`: a hub over a mesh in memory. What a client refuses is in the version. */
import { Hub, type HubOptions } from '../../src/delta-xds/hub.ts';
import { DEFAULT_SESSION_LIMITS, SharedShapes, zeroSessionCounters } from '../../src/delta-xds/index.ts';
import {
  assignmentBody,
  clusterBody,
  listenerBody,
  MemoryMesh,
  virtualHostBody,
} from '../delta-xds/support/memory-mesh.ts';

export const CALLER = 'app.shop';
const BAD = 'bad-';
/** A domain that moves from one service to another. */
export const ROAMING = 'x.example';

export const isBad = (version: string | undefined): boolean => version?.includes(BAD) === true;

/** A control plane with a mesh of its own; versions begin with `label`. */
export class World {
  readonly mesh = new MemoryMesh();
  readonly hub: Hub;
  readonly label: string;
  #version = 0;

  constructor(label: string, ports: Pick<HubOptions, 'clock' | 'later' | 'after' | 'tag'>) {
    this.label = label;
    this.mesh.listeners.set('outbound', listenerBody('outbound', `${label}l-1`));
    this.hub = new Hub({
      source: this.mesh,
      shapes: new SharedShapes(),
      session: { limits: DEFAULT_SESSION_LIMITS, counters: zeroSessionCounters() },
      ...ports,
    });
  }

  /** A new version of all of it; what is in `bad` the client refuses. */
  service(name: string, extra: readonly string[] = [], bad: readonly string[] = []): void {
    const version = ++this.#version;
    const of = (type: string, letter: string): string =>
      `${this.label}${letter}-${bad.includes(type) ? BAD : ''}${version}`;
    const host = name.slice(0, name.indexOf(':'));
    this.mesh.set('cds', name, clusterBody(name, of('cds', 'c'), true));
    this.mesh.set('eds', name, assignmentBody(name, of('eds', 'e'), [80]));
    this.mesh.set('vhds', name, virtualHostBody(of('vhds', 'h'), [host, name, ...extra], [name]));
    this.mesh.changed(`svc|${host}`);
  }

  gone(name: string): void {
    for (const type of ['cds', 'eds', 'vhds'] as const) this.mesh.set(type, name, undefined);
  }

  endpoints(name: string): void {
    if (!this.mesh.assignments.has(name)) return;
    this.mesh.set('eds', name, assignmentBody(name, `${this.label}e-${++this.#version}`, [80]));
  }

  /** The operator repairs what clients refuse. */
  correct(): void {
    for (const name of this.mesh.hosts.keys()) {
      const roams = this.mesh.hosts.get(name)?.domains?.includes(ROAMING) === true;
      const tables = [this.mesh.hosts, this.mesh.clusters, this.mesh.assignments];
      if (tables.some((table) => isBad(table.get(name)?.version))) this.service(name, roams ? [ROAMING] : []);
    }
  }
}
