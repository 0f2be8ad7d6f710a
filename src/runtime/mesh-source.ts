/**
 * `ResourceSource` for the xDS server: joins the projector's read model with compile's own resources, which are memoised by their
 * inputs, bounded.
 */
import { compileOwn, emptyAssignment, emptyCluster, type OwnInputs } from '../compile/index.ts';
import type { ChangeKey, ChangeSet, NodeView, ResourceBody, ResourceSource, XdsProtocol } from '../delta-xds/index.ts';
import type { ReadModel } from '../projector/index.ts';
import { CDS, type ProtoNode } from '../proto/index.ts';
import { GrpcForms } from './grpc-forms.ts';
import { MeshView, type OwnSet } from './mesh-view.ts';
import { identify } from './node-identity.ts';
import { ProxylessView } from './proxyless-view.ts';
import { SharedReads } from './shared-reads.ts';
import { StateView } from './state-view.ts';

const BASES_MAY_HAVE_CHANGED: ChangeKey = `rawset||${CDS}`;

/** Own resources kept: about 12 KB each. */
const MAX_MEMO = 2_000;
/** Versions of listeners remembered; the oldest is forgotten, and its node taken for one that does not report use. */
const MAX_LOGGING = 100_000;

export class MeshSource implements ResourceSource {
  readonly #model: ReadModel;
  readonly #memo = new Map<string, OwnSet>();
  readonly #forms = new GrpcForms();
  readonly #compileOwn = (inputs: OwnInputs): OwnSet => this.#own(inputs);
  readonly #reads: SharedReads;
  /** Versions of `outbound` listeners made here: all of them have the access log. */
  readonly #logging = new Set<string>();
  #epoch: number;

  constructor(model: ReadModel) {
    this.#model = model;
    this.#reads = new SharedReads(model);
    this.#epoch = model.epoch();
  }

  /** Last epoch given out by `catchUp`. */
  get epoch(): number {
    return this.#epoch;
  }

  /** A listener `outbound` of this version logs use to the control plane; one that an operator has put in its place does not. */
  logsUse(version: string): boolean {
    return this.#logging.has(version);
  }

  attach(node: ProtoNode, protocol: XdsProtocol): NodeView {
    const identity = identify(node);
    if (protocol === 'delta') return new MeshView(this.#model, identity, this.#compileOwn, this.#reads);
    if (identity.facts.proxyless)
      return new ProxylessView(this.#model, identity, this.#compileOwn, this.#reads, this.#forms);
    return new StateView(this.#model, identity, this.#compileOwn, this.#reads);
  }

  catchUp(): ChangeSet {
    const changes = this.#model.journalSince(this.#epoch);
    this.#epoch = changes.epoch;
    // A raw cluster is a base of its nodes for as long as no service owns its name.
    const moved = !changes.everything && changes.keys.some((key) => key.startsWith('svc|')) && this.#model.hasRaw();
    return moved ? { ...changes, keys: [...changes.keys, BASES_MAY_HAVE_CHANGED] } : changes;
  }

  placeholder(type: 'cds' | 'eds', name: string): ResourceBody {
    return type === 'cds' ? emptyCluster(name) : emptyAssignment(name);
  }

  #own(inputs: OwnInputs): OwnSet {
    const key = JSON.stringify(inputs);
    const known = this.#memo.get(key);
    if (known !== undefined) return known;
    const resources = compileOwn(inputs);
    const made = { resources, names: { lds: [...resources.listeners.keys()], cds: [...resources.clusters.keys()] } };
    if (this.#memo.size >= MAX_MEMO) {
      const [oldest] = this.#memo.keys();
      if (oldest !== undefined) this.#memo.delete(oldest);
    }
    this.#memo.set(key, made);
    const listener = resources.listeners.get('outbound')?.version;
    if (listener !== undefined) this.#logging.add(listener);
    if (this.#logging.size > MAX_LOGGING) {
      const [oldest] = this.#logging;
      if (oldest !== undefined) this.#logging.delete(oldest);
    }
    return made;
  }
}
