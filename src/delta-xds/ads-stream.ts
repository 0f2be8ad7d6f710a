/** One delta stream, aggregated or of a single type: bytes in, requests to the hub; effects to bytes out. Decides nothing. */
import { TendrilError } from '../model/index.ts';
import {
  appendNonce,
  composeDeltaResponse,
  composeStateResponse,
  decodeDeltaRequest,
  decodeStateRequest,
  type WireLimits,
} from '../proto/index.ts';
import type { BytesCache } from './bytes-cache.ts';
import type { DeliveryLog, DeliveryNode } from './delivery-log.ts';
import type { AckedEffect, Effect, RejectedEffect, SendEffect } from './effect.ts';
import type { Hub, Member, StreamPort } from './hub.ts';
import type { ServerLimits } from './limits.ts';
import type { XdsMethod } from './methods.ts';
import type { ResourceSource } from './resource-source.ts';
import { typeOf, typeUrlOf } from './resource-type.ts';
import type { ResponseTemplates } from './response-templates.ts';
import { STATUS } from './status.ts';
import type { XdsRequest } from './stream-session.ts';
import type { TransportListener, TransportStream } from './transport.ts';

/** Where a stream puts what it has to say. */
export interface StreamContext {
  readonly hub: Hub;
  readonly source: ResourceSource;
  readonly cache: BytesCache;
  readonly templates: ResponseTemplates;
  readonly limits: ServerLimits;
  readonly wireLimits: WireLimits;
  readonly identifier: string;
  /** Wall clock, ms since the epoch. */
  readonly now: () => number;
  /** Offset of the state that answers are made from. */
  readonly offset: () => number;
  readonly later: (run: () => void) => void;
  readonly counters: StreamCounters;
  readonly onObserve:
    | ((edge: { readonly from: string; readonly to: string; readonly node: string }) => void)
    | undefined;
  readonly deliveries: DeliveryLog | undefined;
  readonly warn: (facts: Readonly<Record<string, unknown>>, message: string) => void;
  readonly onEnd: (stream: AdsStream) => void;
}

export interface StreamCounters {
  streams: number;
  requests: number;
  requestBytes: number;
  malformed: number;
  responses: number;
  resources: number;
  responseBytes: number;
  removals: number;
  held: number;
  resets: number;
  failures: number;
  /** Written and not yet taken by the transport, all streams, as of now. */
  inFlightBytes: number;
}

export const zeroStreamCounters = (): StreamCounters => ({
  streams: 0,
  requests: 0,
  requestBytes: 0,
  malformed: 0,
  responses: 0,
  resources: 0,
  responseBytes: 0,
  removals: 0,
  held: 0,
  resets: 0,
  failures: 0,
  inFlightBytes: 0,
});

/** Types that describe services of the mesh; the others are the node's own. */
const SERVICE_TYPES: ReadonlySet<string> = new Set(['cds', 'eds', 'vhds']);

export class AdsStream implements TransportListener, StreamPort {
  readonly #context: StreamContext;
  readonly #transport: TransportStream;
  readonly #method: XdsMethod;
  /** Since when, ms since the epoch. */
  readonly since: number;
  #member: Member | undefined;
  #delivery: DeliveryNode | undefined;
  /** Written and not yet taken by the transport, bytes. */
  #inFlight = 0;
  /** The same with no response counted above `responseBytes`: one resource may be larger than any bound. */
  #weight = 0;
  #held = false;
  #drainWanted = false;
  #ended = false;
  /** Totals of this stream. */
  readonly sent = { responses: 0, resources: 0, bytes: 0, serviceBytes: 0 };

  constructor(context: StreamContext, transport: TransportStream, method: XdsMethod) {
    this.#context = context;
    this.#transport = transport;
    this.#method = method;
    this.since = context.now();
    context.counters.streams++;
  }

  get member(): Member | undefined {
    return this.#member;
  }

  get peer(): string {
    return this.#transport.peer;
  }

  onMessage(message: Uint8Array): void {
    const { requests } = this.#context.hub;
    if (requests.busy) {
      requests.wait(() => this.#handle(message), message.length);
      return;
    }
    const began = requests.begin();
    this.#handle(message);
    requests.end(began);
  }

  #handle(message: Uint8Array): void {
    if (this.#ended) return;
    const { counters, hub } = this.#context;
    counters.requests++;
    counters.requestBytes += message.length;
    let request: XdsRequest;
    try {
      const { wireLimits } = this.#context;
      request =
        this.#method.protocol === 'delta'
          ? decodeDeltaRequest(message, wireLimits)
          : decodeStateRequest(message, wireLimits);
    } catch (error) {
      counters.malformed++;
      const limit = error instanceof TendrilError && error.code === 'XDS_LIMIT';
      this.end(
        limit ? STATUS.RESOURCE_EXHAUSTED : STATUS.INVALID_ARGUMENT,
        error instanceof TendrilError ? error.message : 'discovery request is malformed',
      );
      return;
    }
    const { typeUrl } = this.#method;
    if (typeUrl !== undefined && request.typeUrl !== typeUrl) {
      // Checklist 55: a method of one type needs no type_url.
      if (request.typeUrl !== '') {
        counters.malformed++;
        this.end(STATUS.INVALID_ARGUMENT, `${this.#method.path} serves ${typeUrl} only, not ${request.typeUrl}`);
        return;
      }
      request = { ...request, typeUrl };
    }
    const member = this.#member ?? this.#join(request);
    if (member !== undefined) hub.request(member, request);
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
    } catch (error) {
      this.fail(error);
    }
    return this.#member;
  }

  onHalfClose(): void {
    const { requests } = this.#context.hub;
    // Behind what it has sent before.
    if (requests.busy) requests.wait(() => this.end(STATUS.OK, ''), 0);
    else this.end(STATUS.OK, '');
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
        this.#context.onObserve?.({ from: effect.from, to: effect.to, node });
        return;
      }
      case 'pause':
        this.#wantDrained();
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
    this.#write(
      delta
        ? composeDeltaResponse({ ...common, removed, systemVersionInfo: label ?? this.#offsetText })
        : composeStateResponse({ ...common, versionInfo: label ?? versionInfo }),
    );
    const { deliveries } = this.#context;
    if (deliveries === undefined || this.#delivery === undefined) return;
    const [now, offset] = [this.#context.now(), this.#context.offset()];
    for (const [at, { name, version }] of resources.entries())
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
    this.#write(appendNonce(head, nonce));
    if (deliveries === undefined || this.#delivery === undefined) return;
    const { now, offset } = this.#context;
    const { name, version } = resource;
    deliveries.note(this.#delivery, 'sent', { type, name, version }, size, offset(), now());
  }

  #count(type: string, name: string, bytes: number): void {
    this.#context.counters.resources++;
    this.sent.resources++;
    if (SERVICE_TYPES.has(type) && name !== 'local' && !name.startsWith('inbound:')) this.sent.serviceBytes += bytes;
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
    for (const { name, version } of items)
      if (effect.kind === 'acked') deliveries.note(this.#delivery, 'acked', { type, name, version }, 0, offset, now);
      else deliveries.reject(this.#delivery, { type, name, version }, offset, now, effect);
  }

  #write(message: Uint8Array): void {
    const { counters, limits, hub } = this.#context;
    const { length } = message;
    counters.responses++;
    counters.responseBytes += length;
    this.sent.responses++;
    this.sent.bytes += length;
    const weight = Math.min(length, limits.responseBytes);
    this.#inFlight += length;
    this.#weight += weight;
    counters.inFlightBytes += length;
    const room = this.#transport.write(message, () => {
      if (this.#ended) return;
      this.#inFlight -= length;
      this.#weight -= weight;
      counters.inFlightBytes -= length;
      if (this.#inFlight === 0 && this.#drainWanted) this.#wantDrained();
    });
    if (this.#weight > limits.resetBytes) {
      counters.resets++;
      this.#ended = true;
      this.#transport.reset();
      this.#leave();
    } else if ((!room || this.#inFlight > limits.heldBytes) && !this.#held && this.#member !== undefined) {
      this.#held = true;
      counters.held++;
      hub.hold(this.#member);
      this.#wantDrained();
    }
  }

  /** Tells the session to go on: in a later turn when nothing is in flight, else when it has been taken. */
  #wantDrained(): void {
    this.#drainWanted = this.#inFlight > 0;
    if (this.#drainWanted) return;
    this.#context.later(() => {
      if (this.#ended || this.#member === undefined) return;
      if (this.#inFlight > 0) {
        this.#wantDrained();
        return;
      }
      this.#held = false;
      this.#context.hub.drained(this.#member);
    });
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
    this.#context.counters.inFlightBytes -= this.#inFlight;
    this.#inFlight = 0;
    if (this.#member !== undefined) this.#context.hub.leave(this.#member);
    this.#context.onEnd(this);
  }
}
