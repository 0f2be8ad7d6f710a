/**
 * `ResourceSource` for the xDS server: joins the projector's read model with compile's own resources, which are memoised by their
 * inputs, bounded.
 */
import { emptyAssignment, emptyCluster, type OwnInputs } from '../compile/index.ts';
import type { ChangeKey, ChangeSet, NodeView, ResourceBody, ResourceSource, XdsProtocol } from '../delta-xds/index.ts';
import type { ReadModel } from '../projector/index.ts';
import { CDS, type ProtoNode } from '../proto/index.ts';
import { GrpcForms } from './grpc-forms.ts';
import { MeshView } from './mesh-view.ts';
import { NeedsLists } from './needs-lists.ts';
import { identify, type NodeIdentity } from './node-identity.ts';
import { type OwnSet, OwnSets } from './own-sets.ts';
import { ProxylessView } from './proxyless-view.ts';
import { RawView } from './raw-view.ts';
import { SharedReads } from './shared-reads.ts';
import { StateView } from './state-view.ts';

const BASES_MAY_HAVE_CHANGED: ChangeKey = `rawset||${CDS}`;

/** Versions of listeners remembered; the oldest is forgotten, and its node taken for one that does not report use. */
const MAX_LOGGING = 100_000;

/** Nodes whose wrong wish has been logged. At the bound the first of them may be logged once more. */
const MAX_WARNED = 1_000;

export interface MeshSourceOptions {
  readonly logger?: { warn(facts: object, message: string): void };
}

export class MeshSource implements ResourceSource {
  readonly #model: ReadModel;
  readonly #sets = new OwnSets();
  readonly #forms = new GrpcForms();
  readonly #compileOwn = (inputs: OwnInputs): OwnSet => this.#own(inputs);
  readonly #reads: SharedReads;
  /** Versions of `outbound` listeners made here: all of them have the access log. */
  readonly #logging = new Set<string>();
  readonly #lists: NeedsLists;
  readonly #logger: MeshSourceOptions['logger'];
  readonly #warned = new Set<string>();
  #epoch: number;
  /** Counter: streams whose node's `needs` did not fit and were ignored. */
  needsIgnored = 0;

  constructor(model: ReadModel, options: MeshSourceOptions = {}) {
    this.#model = model;
    this.#reads = new SharedReads(model);
    this.#lists = new NeedsLists(model);
    this.#logger = options.logger;
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

  /** Listeners that an operator has put for this node, or for all. */
  hasRawListeners(node: string): boolean {
    return this.#model.hasRaw() && new RawView(this.#model, node).names('lds').length > 0;
  }

  attach(node: ProtoNode, protocol: XdsProtocol): NodeView {
    const identity = identify(node);
    if (identity.needsProblem !== undefined) this.#ignored(identity);
    const common = [this.#model, identity, this.#compileOwn, this.#reads, this.#lists] as const;
    if (protocol === 'delta') return new MeshView(...common);
    return identity.facts.proxyless ? new ProxylessView(...common, this.#forms) : new StateView(...common);
  }

  #ignored({ facts: { id, caller }, needsProblem }: NodeIdentity): void {
    this.needsIgnored++;
    if (this.#warned.has(id)) return;
    if (this.#warned.size >= MAX_WARNED) this.#warned.clear();
    this.#warned.add(id);
    this.#logger?.warn(
      { node: id, caller, needs: needsProblem },
      'metadata "needs" of a node does not fit and is ignored',
    );
  }

  catchUp(): ChangeSet {
    const changes = this.#model.journalSince(this.#epoch);
    this.#epoch = changes.epoch;
    const more = [...this.#lists.catchUp(changes)];
    // A raw cluster is a base of its nodes for as long as no service owns its name.
    if (!changes.everything && changes.keys.some((key) => key.startsWith('svc|')) && this.#model.hasRaw())
      more.push(BASES_MAY_HAVE_CHANGED);
    return more.length === 0 ? changes : { ...changes, keys: [...changes.keys, ...more] };
  }

  placeholder(type: 'cds' | 'eds', name: string): ResourceBody {
    return type === 'cds' ? emptyCluster(name) : emptyAssignment(name);
  }

  #own(inputs: OwnInputs): OwnSet {
    const set = this.#sets.get(inputs);
    const listener = set.listeners.get('outbound')?.version;
    if (listener !== undefined) this.#logging.add(listener);
    if (this.#logging.size > MAX_LOGGING) {
      const [oldest] = this.#logging;
      if (oldest !== undefined) this.#logging.delete(oldest);
    }
    return set;
  }
}
