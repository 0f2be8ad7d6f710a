/**
 * What a client session holds, type by type, and how it takes a response: whole or not at all (C1), with assignments for the EDS clusters
 * held only (C4) and no domain twice (C5 of session.ts). Pure.
 */
import type { DeltaResponse } from '../proto/wire.ts';
import { type DecodedCluster, type DecodedHost, decodeAssignment, type Endpoint } from './decode.ts';
import { type EarlierLife, type RestoredKind, UntakenLife } from './earlier-life.ts';
import type { ClientEffect } from './effect.ts';
import { decodeResource, type Held, type HoldOptions, hold } from './held.ts';
import { BodySlabs } from './held-body.ts';
import { type HostChange, HostTable } from './host-table.ts';
import type { ResourceKind } from './kinds.ts';
import { WantedAssignments } from './wanted-assignments.ts';

export interface HoldingsOptions extends Omit<HoldOptions, 'slabs'> {
  readonly bodies?: boolean | undefined;
  readonly refuse?: ((type: ResourceKind, name: string, version: string) => string | undefined) | undefined;
}

type Changes = Pick<DeltaResponse, 'resources' | 'removed'>;

export class Holdings {
  readonly clusters = new Map<string, Held<DecodedCluster>>();
  readonly assignments = new Map<string, Held<readonly Endpoint[] | undefined>>();
  readonly listeners = new Map<string, Held<undefined>>();
  readonly routes = new Map<string, Held<undefined>>();
  readonly hosts: HostTable;
  readonly wanted = new WantedAssignments();
  readonly #options: HoldingsOptions & HoldOptions;
  #later: { readonly life: UntakenLife; readonly onProblem: (why: string) => void } | undefined;

  /** `prefix`: of the names of virtual hosts asked for. */
  constructor(prefix: string, options: HoldingsOptions) {
    const { bodies } = options;
    const slabs = { cluster: new BodySlabs(), assignment: new BodySlabs(), virtualHost: new BodySlabs() };
    this.#options = bodies === true ? { ...options, slabs } : options;
    this.hosts = new HostTable(prefix);
  }

  table(type: ResourceKind): Map<string, Held<unknown>> {
    const tables: Readonly<Record<ResourceKind, Map<string, Held<unknown>>>> = {
      cds: this.clusters,
      eds: this.assignments,
      vhds: this.hosts.held,
      lds: this.listeners,
      rds: this.routes,
    };
    return tables[type];
  }

  /** Endpoints of a cluster held; undefined: the cluster is not held, or its assignment has not come. */
  endpoints(cluster: string): readonly Endpoint[] | undefined {
    const held = this.clusters.get(cluster)?.value;
    if (held === undefined) return undefined;
    if (held.eds === undefined) return [];
    const assignment = this.assignments.get(held.eds);
    if (assignment?.resource === undefined) return assignment?.value;
    return decodeAssignment(assignment.resource.body).endpoints;
  }

  /** A cluster is held, and its assignment if it has one. */
  isComplete(cluster: string): boolean {
    const held = this.clusters.get(cluster)?.value;
    return held !== undefined && (held.eds === undefined || this.assignments.has(held.eds));
  }

  /**
   * C7, when it is needed: `early` takes single resources, `settle` all that are left, and is to be called before anything else is done
   * here. A process that starts on its cache has its first answer before a thousand services are read. `onProblem`: as `restore` gives.
   */
  restoreLater(life: EarlierLife, onProblem: (why: string) => void): void {
    this.#later = { life: new UntakenLife(life), onProblem };
  }

  /** Something of an earlier life is still to be taken. */
  get isUntaken(): boolean {
    return this.#later !== undefined;
  }

  /** A host that the earlier life had asked for, and that is not taken yet. */
  wasAsked(host: string): boolean {
    return this.#later?.life.wasAsked(host) === true;
  }

  settle(): void {
    const later = this.#later;
    if (later === undefined) return;
    this.#later = undefined;
    for (const why of this.restore(later.life.rest())) later.onProblem(why);
  }

  /** False: everything is taken. An assignment comes after its cluster. */
  early(kind: RestoredKind, name: string): boolean {
    if (this.#later === undefined) return false;
    const { life, onProblem } = this.#later;
    const one = kind === 'eds' && !this.wanted.has(name) ? undefined : life.take(kind, name);
    if (one !== undefined) for (const why of this.restore(one)) onProblem(why);
    return true;
  }

  /** C7. Gives why some of it was left out: what would be refused from a control plane is not taken from a disk. */
  restore(earlier: EarlierLife): string[] {
    for (const host of earlier.hosts) this.hosts.remember(host);
    const problems: string[] = [];
    const { slabs, check } = this.#options;
    const options = { slabs, check: earlier.isChecked === true ? undefined : check };
    const read = <T>(type: RestoredKind): [string, Held<T>][] =>
      earlier[type].flatMap((resource): [string, Held<T>][] => {
        const found = hold(type, resource, options);
        if ('held' in found) return [[resource.name, found.held as Held<T>]];
        problems.push(`${type} ${resource.name}: ${found.error}`);
        return [];
      });
    for (const [name, held] of read<DecodedCluster>('cds')) {
      this.wanted.move(this.#edsOf(name), held.value.eds);
      this.clusters.set(name, held);
    }
    // Assignments are kept for clusters held only.
    for (const [name, held] of read<readonly Endpoint[] | undefined>('eds'))
      if (this.wanted.has(name)) this.assignments.set(name, held);
    problems.push(...this.hosts.restore(read<DecodedHost>('vhds')));
    return problems;
  }

  /** Takes a response whole, or says why not. */
  take(type: ResourceKind, { resources, removed }: Changes, out: ClientEffect[]): string | undefined {
    const names = new Set<string>();
    const changes: { readonly name: string; readonly held: Held<unknown> | undefined }[] = [];
    for (const resource of resources) {
      const { name, version } = resource;
      if (names.has(name)) return `duplicate name ${name} found among added resources`;
      names.add(name);
      const refusal = this.#options.refuse?.(type, name, version);
      if (refusal !== undefined) return refusal;
      const decoded = decodeResource(type, resource, this.#options);
      if ('error' in decoded) return decoded.error;
      const isDeclined = type === 'vhds' && this.hosts.isDeclined(name, decoded.held as HostChange['held']);
      changes.push({ name, held: isDeclined ? undefined : decoded.held });
    }
    for (const name of removed) {
      if (names.has(name)) return `duplicate name ${name} found in the union of added+removed resources`;
      names.add(name);
    }
    if (type === 'vhds') {
      const conflict = this.hosts.conflict(changes as readonly HostChange[], removed);
      if (conflict !== undefined) return conflict;
    }
    if (type === 'vhds') this.hosts.leave(changes as readonly HostChange[], removed);
    const table = this.table(type);
    // An assignment that no cluster of ours uses is accepted and not kept.
    const changed: string[] = [];
    for (const { name, held } of changes) {
      if (held === undefined || (type === 'eds' && !this.wanted.has(name))) continue;
      changed.push(name);
      if (type === 'cds') this.wanted.move(this.#edsOf(name), (held.value as DecodedCluster).eds);
      table.set(name, held);
    }
    if (type === 'cds') for (const name of removed) this.wanted.move(this.#edsOf(name), undefined);
    const gone = removed.filter((name) => table.delete(name));
    if (type === 'vhds') out.push(...this.hosts.reindex(changes as readonly HostChange[], removed, resources));
    if (changed.length > 0 || gone.length > 0) out.push({ kind: 'update', type, changed, removed: gone });
    return undefined;
  }

  #edsOf(cluster: string): string | undefined {
    return this.clusters.get(cluster)?.value.eds;
  }
}
