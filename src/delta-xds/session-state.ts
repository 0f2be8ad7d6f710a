/**
 * The facts of one stream. `request.ts`, `change.ts` and `settle.ts` write them down, `delivery.ts` and its helpers look at them and say
 * what to send.
 */
import { canonicalName } from '../model/index.ts';
import type { Allowance } from './allowance.ts';
import { Channel } from './channel.ts';
import { CurrentRoutes } from './current-routes.ts';
import { Demand } from './demand.ts';
import type { Effect, Item, SendEffect, SentResource } from './effect.ts';
import type { Lane } from './ledger.ts';
import type { SessionCounters, SessionLimits } from './limits.ts';
import { NameSet } from './name-set.ts';
import type { RenewalWitness } from './renewal-memory.ts';
import type { NodeView, ResourceBody } from './resource-source.ts';
import type { ResourceType } from './resource-type.ts';
import { NEGATIVE_PREFIX, type SharedShapes } from './shapes.ts';
import { Sweep } from './sweep.ts';

/** Some 30 ms of work with the resources. What is left of a long list has its turn when others had theirs. */
const PORTION = 256;

export interface SessionOptions {
  readonly view: NodeView;
  readonly shapes: SharedShapes;
  readonly placeholder: (type: 'cds' | 'eds', name: string) => ResourceBody;
  readonly limits: SessionLimits;
  readonly counters: SessionCounters;
  /** Unlike that of any other stream of the mesh: part of the versions of negative answers. */
  readonly tag: string;
  /** Unknown hosts that the other streams of this node remember: the bound is per node. */
  readonly waitingBeside: () => number;
  /** Of the node, shared by its streams; undefined: no bound on unknown names in time. */
  readonly allowance?: Allowance;
  /** Names of one type that one pass looks at (default `PORTION`); of superfluous clusters four times as many. */
  readonly portion?: number;
  /** The only type of this stream; undefined: aggregated. */
  readonly only?: ResourceType | undefined;
  /** Undefined: generations are never renewed. */
  readonly renewal?: RenewalWitness | undefined;
}

export class SessionState {
  readonly view: NodeView;
  readonly shapes: SharedShapes;
  readonly placeholder: SessionOptions['placeholder'];
  readonly limits: SessionLimits;
  readonly counters: SessionCounters;
  readonly waitingBeside: () => number;
  readonly allowance: Allowance | undefined;
  /** Names asked for in this request that nobody answers. */
  unknownAsked = 0;
  readonly portion: number;
  readonly only: ResourceType | undefined;
  readonly renewal: RenewalWitness | undefined;
  readonly current: CurrentRoutes;
  readonly demand: Demand;
  readonly channels = new Map<ResourceType, Channel>();
  /** Nothing is sent until the transport has drained. */
  paused = false;
  /** The stream has been told to end. */
  closed = false;
  /** Bytes sent in this pass. */
  passBytes = 0;
  /** Clusters that may have become superfluous. */
  readonly sweep = new Sweep();
  /** Before this time no cluster goes for want of a virtual host: after a reconnect VHDS comes later than CDS. 0: no such time. */
  collectAfter = 0;
  /** Before this time no virtual host goes to a client that has come back and not said anything of its clusters. 0: no such time. */
  hostsAfter = 0;
  /** Clusters left in place because virtual hosts on their way still use them. */
  readonly collectAgain = new NameSet();
  /** Times that `interestStale` was left for later (`delivery.ts`). */
  staleTimes = 0;
  readonly observed = new NameSet();
  /** Of those: not yet told. */
  learned: string[] = [];
  /** The same of what the client only named again. */
  learnedHeld: string[] = [];
  /** Service ports whose clusters the wildcard is still to be given: of a long list, a portion at a time. */
  unfold: readonly string[] = [];
  /** Clusters that the client brought along and that nothing needs: they stay while they exist. */
  readonly adopted = new NameSet();
  /** Subjects announced as interesting. */
  readonly interest = new Set<string>();
  interestAdded: string[] = [];
  /** Something may no longer be of interest: announce afresh. */
  interestStale = false;
  waitingAnnounced = false;
  /** Rights of the caller when everything was last compared. */
  rights: string | undefined;
  /** Time of the last timer effect; 0: none pending. */
  timerAt = 0;
  readonly #tag: string;
  #nonce = 0;
  #negatives = 0;
  #needed: Set<string> | undefined;

  constructor(options: SessionOptions) {
    this.view = options.view;
    this.shapes = options.shapes;
    this.placeholder = options.placeholder;
    this.limits = options.limits;
    this.counters = options.counters;
    this.waitingBeside = options.waitingBeside;
    this.allowance = options.allowance;
    this.portion = options.portion ?? PORTION;
    this.only = options.only;
    this.renewal = options.renewal;
    this.current = new CurrentRoutes(options.view, options.shapes);
    this.#tag = options.tag;
    this.demand = new Demand(options.view, options.shapes);
    this.rights = options.view.rights?.();
    this.take(options.view.facts.caller);
    for (const name of this.demand.preload) this.take(name);
  }

  /** The resource of a name as the client spells it; undefined: there is none that the node may hold. */
  body(type: ResourceType, name: string): ResourceBody | undefined {
    return this.view.get(type, canonicalName(name));
  }

  /** The channel of a type that has been asked for on this stream. */
  channel(type: ResourceType): Channel | undefined {
    const channel = this.channels.get(type);
    return channel?.subscription.opened ? channel : undefined;
  }

  /** The channel of a type, made if new: responses may go out before the client's first request (EDS after CDS). */
  ensure(type: ResourceType): Channel {
    let channel = this.channels.get(type);
    if (channel === undefined) {
      channel = new Channel(type);
      this.channels.set(type, channel);
    }
    return channel;
  }

  /** Concerns this session from now on. */
  take(name: string): void {
    const subject = this.shapes.subjectOf(name);
    if (this.interest.has(subject)) return;
    this.interest.add(subject);
    this.interestAdded.push(subject);
  }

  /** True when a host asked for stands for the service port of this virtual host's name. */
  asksHost(name: string): boolean {
    const slash = name.indexOf('/');
    return this.demand.generations.get(name.slice(0, slash))?.asks(name.slice(slash + 1)) ?? false;
  }

  /** Learned by asking: once per stream and service port. `held`: only named again, by a client that holds it. */
  observe(servicePort: string, held = false): void {
    if (this.observed.has(servicePort)) return;
    const kept = this.shapes.text(servicePort);
    this.observed.add(kept);
    (held ? this.learnedHeld : this.learned).push(kept);
  }

  /**
   * The virtual hosts are known: clusters brought along need no longer be kept for what might use them, except those that by their
   * nature no virtual host uses (TCP).
   */
  releaseClusters(): void {
    for (const name of [...this.adopted.all])
      if (this.view.servicePortOf(name) !== name || this.view.get('vhds', name) !== undefined)
        this.adopted.delete(name);
  }

  /**
   * The client has come back with listeners and said nothing of clusters: Envoy does so for as long as one of them waits for its
   * assignment (`protocol.md`, section 11).
   */
  get keepsClustersBack(): boolean {
    return this.hostsAfter !== 0 && this.channel('cds') === undefined;
  }

  /** Virtual hosts would come before their clusters. */
  hostsWait(now: number): boolean {
    return now < this.hostsAfter && this.keepsClustersBack;
  }

  /** Every route configuration has been told something. */
  get allPrimed(): boolean {
    for (const { primed } of this.demand.generations.values()) if (!primed) return false;
    return true;
  }

  /** Clusters needed as of now, computed once per pass. */
  needed(): ReadonlySet<string> {
    this.#needed ??= this.demand.clusters();
    return this.#needed;
  }

  /** The cluster is needed as of now. For nearly every one that is told by its name, without a look at all others. */
  needs(name: string): boolean {
    return this.demand.needsByName(name) || this.view.own('cds').includes(name) || this.needed().has(name);
  }

  /** Forget what was computed from the view. */
  beginPass(): void {
    this.#needed = undefined;
    this.passBytes = 0;
  }

  /** Never equal to a version that the client can hold: the tag is this stream's, the number this answer's. */
  negativeVersion(): string {
    return `${NEGATIVE_PREFIX}${this.#tag}-${++this.#negatives}`;
  }

  nextNonce(): string {
    return String(++this.#nonce);
  }

  /** Sends one response and writes it down; returns its nonce. */
  send(response: Response, now: number, out: Effect[]): string {
    const { type, lane, resources, removed, items, questions } = response;
    const nonce = this.nextNonce();
    const channel = this.ensure(type);
    channel.owed = false;
    channel.ledger.record({ nonce, at: now, lane, items, questions });
    for (const resource of resources) this.passBytes += bytesOf(resource);
    const label = this.view.label(type);
    const effect: SendEffect = { kind: 'send', type, nonce, resources, removed };
    if (label !== undefined) effect.label = label;
    if (response.alone === true) effect.alone = true;
    out.push(effect);
    return nonce;
  }

  /** False when this pass has sent its share: the rest waits for the transport. */
  goOn(out: Effect[]): boolean {
    if (this.paused) return false;
    if (this.passBytes < this.limits.burstBytes) return true;
    this.rest(out);
    return false;
  }

  /** The rest has its turn when others have had theirs, and the transport has taken what was sent. */
  rest(out: Effect[]): void {
    this.paused = true;
    out.push({ kind: 'pause' });
  }
}

/** On the wire, near enough. */
const bytesOf = ({ body, name, prefix, domains, extra }: SentResource): number => {
  let bytes = (body?.length ?? 0) + 2 * name.length;
  for (const domain of domains) bytes += prefix.length + domain.length;
  for (const alias of extra) bytes += alias.length;
  return bytes;
};

export interface Response {
  readonly type: ResourceType;
  readonly lane: Lane;
  readonly resources: readonly SentResource[];
  readonly removed: readonly string[];
  readonly items: readonly Item[];
  readonly questions: readonly string[];
  /** As in `SendEffect`. */
  readonly alone?: boolean;
}
