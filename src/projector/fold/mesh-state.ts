/** The fold's whole state: one table per family of entities, and the indexes that follow them. Decides nothing. */
import { enablePatches, Immer } from 'immer';
import type { MeshView, ServiceView } from '../../compile/index.ts';
import { type EdgeList, TextPool } from '../../dependency-graph/index.ts';
import { ChangeSet } from './change-set.ts';
import { EffectiveDocuments } from './effective-documents.ts';
import type { EndpointShards } from './endpoint-shards.ts';
import { ForeignSubsets } from './foreign-subsets.ts';
import { LeaseIndex } from './lease-index.ts';
import { PolicyIndex } from './policy-index.ts';
import type { RawEntity, RawSetEntity } from './raw-entity.ts';
import { RawIndex } from './raw-index.ts';
import { type ServiceEntity, serviceViewOf } from './service-entity.ts';
import { ServiceIndex } from './service-index.ts';
import { StateTally } from './state-tally.ts';
import { Journal, Table } from './table.ts';
import type { LeaseView, PolicyEntity } from './types.ts';

enablePatches();

export interface MeshEntity {
  readonly name: string;
  readonly suffixes: readonly string[];
  readonly offset: number;
  readonly recordedAt: number;
}

/** Who owns the clock of a kind of events (`keeper.elected`). */
export interface KeeperEntity {
  readonly epoch: number;
  readonly holder: string;
  readonly offset: number;
  readonly recordedAt: number;
}

/** A replica of the control plane (`replica.joined`). */
export interface ReplicaEntity {
  /** Where its HTTP API is reached. */
  readonly admin: string;
  readonly offset: number;
  readonly recordedAt: number;
}

const MAX_SOURCES = 4_096;
const MAX_EDGE_TEXTS = 262_144;

export const MESH_KEY = 'mesh';
export const DEFAULT_SUFFIXES: readonly string[] = ['.mesh.local', '.svc.cluster.local'];

export interface MeshStateOptions {
  readonly mesh: string;
  /** In force until the log has a `mesh.configured`. */
  readonly suffixes?: readonly string[];
  /** Freeze entities deeply (development and tests); costs about half as much again per service event. */
  readonly freeze?: boolean;
}

export class MeshState {
  readonly name: string;
  readonly journal = new Journal();
  readonly changes = new ChangeSet();
  readonly immer: Immer;
  readonly tally = new StateTally();
  readonly serviceIndex = new ServiceIndex();
  readonly policyIndex: PolicyIndex;
  readonly documents: EffectiveDocuments;
  readonly mesh: Table<MeshEntity>;
  readonly services: Table<ServiceEntity>;
  readonly endpoints: Table<EndpointShards>;
  readonly policies: Table<PolicyEntity>;
  readonly edges: Table<EdgeList>;
  /** By `rawKey`. */
  readonly raw: Table<RawEntity>;
  /** By `rawSetKey`. */
  readonly rawSets: Table<RawSetEntity>;
  readonly rawIndex = new RawIndex();
  readonly foreignSubsets = new ForeignSubsets();
  private readonly defaults: MeshView;
  /** Names in edges: callees and witnesses. */
  readonly edgeTexts = new TextPool(MAX_EDGE_TEXTS);
  /** Keepers by name. */
  readonly keepers: Table<KeeperEntity>;
  /** Replicas that have joined and not left, by id. */
  readonly replicas: Table<ReplicaEntity>;
  /** Leases of endpoints by `leaseKey`, those that ran out among them. */
  readonly leases: Table<LeaseView>;
  readonly leaseIndex = new LeaseIndex();
  private readonly texts = new TextPool(MAX_SOURCES);

  constructor(options: MeshStateOptions) {
    this.name = options.mesh;
    this.defaults = { name: options.mesh, suffixes: options.suffixes ?? DEFAULT_SUFFIXES };
    this.immer = new Immer({ autoFreeze: options.freeze ?? false });
    this.policyIndex = new PolicyIndex((_kind, scope) => this.documents.forget(scope));
    this.documents = new EffectiveDocuments(this.policyIndex);
    this.mesh = new Table(this.journal);
    const { tally } = this;
    this.services = new Table(this.journal, (name, before, after) => {
      this.serviceIndex.changed(name, before, after);
      tally.changed('services', before, after);
    });
    this.endpoints = new Table(this.journal, (_service, before, after) => tally.endpointsChanged(before, after));
    this.policies = new Table(this.journal, (key, before, after) => {
      this.policyIndex.changed(key, before, after);
      this.foreignSubsets.changed(before, after);
      tally.changed('documents', before, after);
    });
    this.edges = new Table(this.journal, (_caller, before, after) => tally.edgesChanged(before, after));
    this.keepers = new Table(this.journal);
    this.replicas = new Table(this.journal);
    this.leases = new Table(this.journal, (key, before, after) => this.leaseIndex.changed(key, before, after));
    this.raw = new Table(this.journal, (key, before, after) => {
      this.rawIndex.changed(key, before, after);
      tally.changed('raw', before, after);
    });
    this.rawSets = new Table(this.journal, (key, before, after) => this.rawIndex.setChanged(key, before, after));
  }

  /** One string for all equal ones: sources of facets come with every event anew. */
  intern(text: string): string {
    return this.texts.text(text);
  }

  commit(): void {
    this.journal.commit();
    this.changes.commit();
  }

  rollback(): void {
    this.journal.rollback();
    this.changes.rollback();
  }

  meshView(): MeshView {
    return this.mesh.get(MESH_KEY) ?? this.defaults;
  }

  service(name: string): ServiceView | undefined {
    const entity = this.services.get(name);
    return entity === undefined ? undefined : serviceViewOf(name, entity);
  }

  /** Service that serves an external host (lower case). */
  externalOwner(host: string): string | undefined {
    return this.serviceIndex.claimants(host).find((name) => this.service(name)?.externalHosts.includes(host) === true);
  }
}
