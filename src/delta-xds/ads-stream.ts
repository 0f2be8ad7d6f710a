/** One stream, delta or state of the world, aggregated or of a single type: requests to the hub, effects to bytes. Decides nothing. */
import { TendrilError } from '../model/index.ts';
import { appendNonce, composeDeltaResponse, composeStateResponse } from '../proto/index.ts';
import type { DeliveryNode } from './delivery-log.ts';
import type { AckedEffect, Effect, RejectedEffect, SendEffect } from './effect.ts';
import type { Member, StreamPort } from './hub-member.ts';
import type { XdsMethod } from './methods.ts';
import { Outflow, type OutflowOwner } from './outflow.ts';
import { readRequest } from './read-request.ts';
import type { Lane } from './request-line.ts';
import type { NodeFacts } from './resource-source.ts';
import { type ResourceType, typeOf, typeUrlOf } from './resource-type.ts';
import { STATUS } from './status.ts';
import type { ConnectedStream, StreamContext } from './stream-context.ts';
import type { XdsRequest } from './stream-session.ts';
import type { TransportListener, TransportStream } from './transport.ts';

/** Types that describe services of the mesh; the others are the node's own. */
const SERVICE_TYPES: ReadonlySet<string> = new Set(['cds', 'eds', 'vhds']);

/** The client held something of this type when its stream began. State of the world: it names the version of a response it took. */
const bringsResources = (request: XdsRequest): boolean =>
  'names' in request
    ? request.versionInfo !== '' && request.responseNonce === ''
    : request.initialResourceVersions.size > 0;

export class AdsStream implements TransportListener, StreamPort, OutflowOwner, ConnectedStream {
  readonly #context: StreamContext;
  readonly #transport: TransportStream;
  readonly #method: XdsMethod;
  /** Since when, ms since the epoch. */
  readonly since: number;
  #member: Member | undefined;
  broughtAt: number | undefined;
  #delivery: DeliveryNode | undefined;
  readonly #outflow: Outflow;
  readonly #lane: Lane;
  /** Why nothing is read as of now: too much waits, or too much was asked for. */
  readonly #unread = new Set<'line' | 'throttle'>();
  #ended = false;
  /** Resources sent, and bytes of those of services. */
  readonly #sent = { resources: 0, serviceBytes: 0 };

  constructor(context: StreamContext, transport: TransportStream, method: XdsMethod) {
    this.#context = context;
    this.#transport = transport;
    this.#method = method;
    this.#outflow = new Outflow(context, transport, this);
    this.#lane = context.hub.requests.lane((reads) => this.#read('line', reads));
    this.since = context.now();
    context.counters.streams++;
  }

  get member(): Member | undefined {
    return this.#member;
  }

  get peer(): string {
    return this.#transport.peer;
  }

  get facts(): NodeFacts | undefined {
    return this.#member?.session.facts;
  }

  takenVersion(type: ResourceType, name: string): string | undefined {
    return this.#member?.session.takenVersion(type, name);
  }

  /** Totals of this stream. */
  get sent(): { responses: number; resources: number; bytes: number; serviceBytes: number } {
    const { responses, bytes } = this.#outflow;
    return { responses, bytes, ...this.#sent };
  }

  onMessage(message: Uint8Array): void {
    this.#lane.take(() => this.#handle(message), message.length);
  }

  #handle(message: Uint8Array): void {
    if (this.#ended) return;
    const { counters, hub, wireLimits } = this.#context;
    counters.requests++;
    counters.requestBytes += message.length;
    let request: XdsRequest;
    try {
      request = readRequest(message, this.#method, wireLimits);
    } catch (error) {
      counters.malformed++;
      const limit = error instanceof TendrilError && error.code === 'XDS_LIMIT';
      this.end(
        limit ? STATUS.RESOURCE_EXHAUSTED : STATUS.INVALID_ARGUMENT,
        error instanceof TendrilError ? error.message : 'discovery request is malformed',
      );
      return;
    }
    const member = this.#member ?? this.#join(request);
    if (member === undefined) return;
    if (this.broughtAt === undefined && bringsResources(request)) this.broughtAt = this.#context.clock();
    hub.request(member, request);
  }

  #join(request: XdsRequest): Member | undefined {
    if (request.node === undefined) {
      this.end(STATUS.INVALID_ARGUMENT, 'the first request of a stream must carry the node');
      return undefined;
    }
    try {
      const { protocol, typeUrl } = this.#method;
      const view = this.#context.source.attach(request.node, protocol);
      this.#member = this.#context.hub.join(view, this, protocol, typeUrl === undefined ? undefined : typeOf(typeUrl));
      const { id, caller } = view.facts;
      this.#delivery = this.#context.deliveries?.node(id, caller);
      this.#context.watcher?.joined(this.peer, view.facts);
    } catch (error) {
      this.fail(error);
    }
    return this.#member;
  }

  onHalfClose(): void {
    // Behind what it has sent before.
    this.#lane.take(() => this.end(STATUS.OK, ''), 0);
  }

  onClose(): void {
    this.#leave();
  }

  execute(effect: Effect): void {
    if (this.#ended) return;
    switch (effect.kind) {
      case 'send':
        this.#send(effect);
        return;
      case 'acked':
      case 'rejected':
        this.#verdict(effect);
        return;
      case 'observe': {
        const node = this.#node;
        const { from, to, held } = effect;
        this.#context.onObserve?.({ from, to, node, ...(held === undefined ? {} : { held }) });
        return;
      }
      case 'pause':
        this.#outflow.wantDrained();
        return;
      case 'throttle':
        this.#throttle(effect.until);
        return;
      case 'close':
        this.end(effect.code, effect.message);
        return;
      case 'interest':
      case 'timer':
        return;
      default:
        effect satisfies never;
    }
  }

  #read(because: 'line' | 'throttle', reads: boolean): void {
    if (reads) this.#unread.delete(because);
    else this.#unread.add(because);
    if (!this.#ended) this.#transport.read(this.#unread.size === 0);
  }

  /** What was read already waits as well. */
  #throttle(until: number): void {
    this.#lane.stop();
    this.#read('throttle', false);
    this.#context.hub.at(until, () => {
      this.#lane.go();
      this.#read('throttle', true);
    });
  }

  /** For people who look at the wire (checklist 62): no decision rests on it. */
  get #offsetText(): string {
    const offset = this.#context.offset();
    return offset === 0 ? '' : String(offset);
  }

  get #node(): string {
    return this.#member?.session.facts.id ?? '';
  }

  #send(effect: SendEffect): void {
    if (effect.alone === true) {
      this.#sendAlone(effect);
      return;
    }
    const { type, nonce, resources, removed, versionInfo, label } = effect;
    const { cache, counters, identifier } = this.#context;
    const delta = versionInfo === undefined;
    const encoded = resources.map((resource) =>
      delta ? cache.encode(type, resource) : cache.encodeState(type, resource),
    );
    for (let at = 0; at < resources.length; at++)
      this.#count(type, resources[at]?.name ?? '', encoded[at]?.length ?? 0);
    counters.removals += removed.length;
    const common = { typeUrl: typeUrlOf(type), nonce, resources: encoded, controlPlaneId: identifier };
    this.#outflow.write(
      delta
        ? composeDeltaResponse({ ...common, removed, systemVersionInfo: label ?? this.#offsetText })
        : composeStateResponse({ ...common, versionInfo: label ?? versionInfo }),
    );
    const { deliveries } = this.#context;
    if (deliveries === undefined || this.#delivery === undefined) return;
    const [now, offset] = [this.#context.now(), this.#context.offset()];
    for (const [at, { name, version, unrecorded }] of resources.entries())
      if (unrecorded !== true)
        deliveries.note(this.#delivery, 'sent', { type, name, version }, encoded[at]?.length ?? 0, offset, now);
    // A removal that primes a route configuration is about no resource.
    for (const name of removed)
      if (!name.endsWith('/-')) deliveries.note(this.#delivery, 'removed', { type, name, version: '' }, 0, offset, now);
  }

  /** A change that many streams hear of: composed for the first of them. */
  #sendAlone({ type, nonce, resources, label }: SendEffect): void {
    const { cache, identifier, deliveries, templates } = this.#context;
    const { head, size } = templates.of(type, resources, label ?? this.#offsetText, (systemVersionInfo) => {
      const encoded = resources.map((resource) => cache.encode(type, resource));
      return {
        size: encoded[0]?.length ?? 0,
        head: composeDeltaResponse({
          typeUrl: typeUrlOf(type),
          nonce: '',
          resources: encoded,
          removed: [],
          controlPlaneId: identifier,
          systemVersionInfo,
        }),
      };
    });
    const [resource] = resources;
    if (resource === undefined) return;
    this.#count(type, resource.name, size);
    this.#outflow.write(appendNonce(head, nonce));
    if (deliveries === undefined || this.#delivery === undefined) return;
    const { now, offset } = this.#context;
    const { name, version } = resource;
    deliveries.note(this.#delivery, 'sent', { type, name, version }, size, offset(), now());
  }

  #count(type: string, name: string, bytes: number): void {
    this.#context.counters.resources++;
    this.#sent.resources++;
    if (!SERVICE_TYPES.has(type) || name === 'local' || name.startsWith('inbound:')) return;
    this.#sent.serviceBytes += bytes;
    this.#context.counters.serviceBytes += bytes;
  }

  #verdict(effect: AckedEffect | RejectedEffect): void {
    const { deliveries, warn } = this.#context;
    const { type, items } = effect;
    if (effect.kind === 'rejected')
      warn(
        {
          node: this.#node,
          type,
          names: items.slice(0, 20).map(({ name }) => name),
          code: effect.code,
          error: effect.message,
          final: effect.final,
        },
        effect.final ? 'a sidecar refused a resource' : 'a sidecar refused a response; sending its resources in parts',
      );
    if (deliveries === undefined || this.#delivery === undefined) return;
    const [now, offset] = [this.#context.now(), this.#context.offset()];
    for (const { name, version, unrecorded } of items)
      if (unrecorded === true) continue;
      else if (effect.kind === 'acked')
        deliveries.note(this.#delivery, 'acked', { type, name, version }, 0, offset, now);
      else deliveries.reject(this.#delivery, { type, name, version }, offset, now, effect);
  }

  onFull(): void {
    if (this.#member !== undefined) this.#context.hub.hold(this.#member);
  }

  onDrained(): void {
    if (this.#member !== undefined) this.#context.hub.drained(this.#member);
  }

  onOverflow(): void {
    this.#ended = true;
    this.#transport.reset();
    this.#leave();
  }

  fail(error: unknown): void {
    this.#context.counters.failures++;
    this.#context.warn({ node: this.#node, err: error }, 'a stream failed inside the server');
    this.end(STATUS.INTERNAL, 'internal error; reconnect');
  }

  /** Ends the stream with a status. */
  end(code: number, message: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#transport.end(code, message);
    this.#leave();
  }

  #leave(): void {
    this.#ended = true;
    this.#lane.close();
    this.#outflow.close();
    if (this.#member?.joined === true) {
      this.#context.hub.leave(this.#member);
      this.#context.watcher?.left(this.peer, this.#member.session.facts);
    }
    this.#context.onEnd(this);
  }
}
