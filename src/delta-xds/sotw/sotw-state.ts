/** The facts of one state-of-the-world stream. */
import { canonicalName } from '../../model/index.ts';
import type { StateRequest } from '../../proto/index.ts';
import type { Effect } from '../effect.ts';
import type { SessionCounters, SessionLimits } from '../limits.ts';
import type { NodeView, ResourceBody } from '../resource-source.ts';
import { type ResourceType, typeOf } from '../resource-type.ts';
import type { SessionOptions } from '../session-state.ts';
import type { SharedShapes } from '../shapes.ts';
import { StateChannel } from './state-channel.ts';

export class SotwState {
  readonly view: NodeView;
  readonly shapes: SharedShapes;
  readonly placeholder: (type: 'cds' | 'eds', name: string) => ResourceBody;
  readonly limits: SessionLimits;
  readonly counters: SessionCounters;
  readonly channels = new Map<ResourceType, StateChannel>();
  /** Nothing is sent until the transport has drained. */
  paused = false;
  /** The stream has been told to end. */
  closed = false;
  /** Subjects announced as interesting. */
  readonly interest = new Set<string>();
  /** What is of interest may have changed: announce. */
  interestStale = true;
  /** Time of the last timer effect; 0: none pending. */
  timerAt = 0;
  readonly #observed = new Set<string>();
  #passBytes = 0;
  #nonce = 0;

  constructor(options: SessionOptions) {
    this.view = options.view;
    this.shapes = options.shapes;
    this.placeholder = options.placeholder;
    this.limits = options.limits;
    this.counters = options.counters;
  }

  /** The resource of a name as the client spells it; undefined: there is none that the node may hold. */
  body(type: ResourceType, name: string): ResourceBody | undefined {
    return this.view.get(type, canonicalName(name));
  }

  ensure(type: ResourceType): StateChannel {
    let channel = this.channels.get(type);
    if (channel === undefined) {
      channel = new StateChannel(type);
      this.channels.set(type, channel);
    }
    return channel;
  }

  /** True when the request lists other names than before, or opens its type. */
  asks({ typeUrl, names, responseNonce }: StateRequest): boolean {
    const channel = this.channels.get(typeOf(typeUrl));
    if (channel === undefined || responseNonce === '') return true;
    const { asked } = channel.subscription;
    return names.length !== asked.size || names.some((name) => !asked.has(name));
  }

  /** Names asked for, all types. */
  get asked(): number {
    let asked = 0;
    for (const { subscription } of this.channels.values()) asked += subscription.asked.size;
    return asked;
  }

  /**
   * Learned by asking: once per stream and service port, as soon as there is something to call. Assignments that follow from a wildcard's
   * clusters were not asked for: that would make an edge of everything that is declared.
   */
  observe(type: ResourceType, name: string, out: Effect[], held = false): void {
    if (type === 'eds' && this.channels.get('cds')?.subscription.wildcard === true) return;
    const servicePort = this.view.servicePortOf(name);
    if (servicePort === undefined || this.#observed.has(servicePort)) return;
    const kept = this.shapes.text(servicePort);
    this.#observed.add(kept);
    out.push({ kind: 'observe', from: this.view.facts.caller, to: kept, ...(held ? { held } : {}) });
  }

  beginPass(): void {
    this.#passBytes = 0;
  }

  nextNonce(): string {
    return String(++this.#nonce);
  }

  /** False when this pass has sent its share: the rest waits for the transport. */
  goOn(bytes: number, out: Effect[]): boolean {
    this.#passBytes += bytes;
    if (this.#passBytes < this.limits.burstBytes) return true;
    this.paused = true;
    out.push({ kind: 'pause' });
    return false;
  }
}
