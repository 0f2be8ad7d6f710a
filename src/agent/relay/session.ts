/**
 * One Envoy's aggregated delta stream through the relay: a pure machine. Facts in (Envoy's requests, a control plane's responses,
 * reachable, lost), effects out. While a control plane is there, messages pass as they are; while none is, the last good
 * configuration of the node answers.
 *
 * Invariants (cited by the tests as R1, R2, …):
 *  R1 Nothing that a control plane does or fails to do ends Envoy's stream.
 *  R2 What Envoy acknowledged becomes last good, and only that; what it refused never does; removals and names given up end it.
 *  R3 A control plane sees only nonces of its own present stream. Answers to other responses end here; the names in them pass on.
 *  R4 On a new stream of a control plane the first request of each type names all that Envoy wants and the versions it holds; the
 *     stream's first request carries the node as Envoy wrote it.
 *  R5 Such a stream begins when Envoy has answered everything it was sent (or a time is over), so nothing held is sent again.
 *  R6 Answers made here have nonces of their own, and give only what Envoy does not hold or asks for.
 *  R7 A name that the last good configuration lacks stays asked for; a later stream names it.
 */
import { composeDeltaResponse, type DeltaRequest, decodeDeltaRequest, VHDS } from '../../proto/index.ts';
import type { RelayEffect } from './effect.ts';
import { RelayStream } from './relay-stream.ts';
import { answersTo, type LocalAnswer } from './stand-alone.ts';
import { type SentResponse, Subscription } from './subscription.ts';
import { nodeField, partsOf, readResponse, request } from './wire.ts';

export class RelaySession extends RelayStream<Subscription> {
  readonly #primed = new Set<string>();

  holds(typeUrl: string, name: string): boolean {
    const type = this.types.get(typeUrl);
    return type !== undefined && (type.held.has(name) || type.inFlight.has(name));
  }

  onRequest(bytes: Uint8Array): RelayEffect[] {
    const message = decodeDeltaRequest(bytes);
    this.identify(message.node, () => nodeField(bytes));
    const out: RelayEffect[] = [];
    const type = this.typeOf(message.typeUrl);
    const first = !type.opened;
    const passes = this.#answerTo(type, message, out);
    this.#subscribe(type, message, out);
    if (this.state === 'up') {
      const names = message.subscribe.length + message.unsubscribe.length > 0;
      if (passes) out.push({ kind: 'to-control-plane', bytes });
      else if (names)
        out.push({
          kind: 'to-control-plane',
          bytes: request({
            typeUrl: message.typeUrl,
            subscribe: message.subscribe,
            unsubscribe: message.unsubscribe,
          }),
        });
      return out;
    }
    const asks = first || message.subscribe.length > 0;
    if (this.alone && asks) this.serve(out, first && type.held.size > 0 ? undefined : message);
    this.join(out);
    return out;
  }

  onResponse(bytes: Uint8Array): RelayEffect[] {
    if (this.state !== 'up') return [];
    const response = readResponse(bytes);
    this.relayed(response.resources.length);
    this.#sent({ ...response, stream: this.stream });
    return [{ kind: 'to-envoy', bytes }];
  }

  protected makeType(typeUrl: string): Subscription {
    return new Subscription(typeUrl, this.options.budget);
  }

  protected again(type: Subscription, node: Uint8Array | undefined): Uint8Array {
    const { subscribe, versions } = type.again();
    return request({ typeUrl: type.typeUrl, subscribe, initialResourceVersions: versions }, node);
  }

  /** R2, R3. Gives whether the message may pass to the control plane as it is. */
  #answerTo(type: Subscription, message: DeltaRequest, out: RelayEffect[]): boolean {
    if (message.responseNonce === '') return true;
    const sent = type.inFlight.settle(message.responseNonce);
    if (sent === undefined) return false;
    if (message.errorDetail === undefined) {
      type.acknowledged(sent);
      if (sent.stream !== 0) {
        for (const resource of sent.resources) out.push({ kind: 'keep', typeUrl: type.typeUrl, resource });
        for (const name of sent.removed) out.push({ kind: 'drop', typeUrl: type.typeUrl, name });
      }
    } else {
      this.counters.refused++;
      if (sent.stream === 0) this.#refusedHere(type, sent, out);
    }
    return this.state === 'up' && sent.stream === this.stream;
  }

  /** A configuration that this Envoy does not take: each resource by itself, and what is bad is last good no longer. */
  #refusedHere(type: Subscription, { resources }: SentResponse, out: RelayEffect[]): void {
    // A late refusal: what a control plane has sent since is newer, and must not be covered by old resources.
    if (this.state === 'up') return;
    const [only] = resources;
    if (resources.length === 1 && only !== undefined)
      out.push({ kind: 'drop', typeUrl: type.typeUrl, name: only.name });
    else
      for (const resource of resources) this.#send(out, { typeUrl: type.typeUrl, resources: [resource], removed: [] });
    if (type.typeUrl !== VHDS) return;
    const configurations = new Set(resources.map(({ name }) => `${name.slice(0, name.indexOf('/'))}/-`));
    this.#send(out, { typeUrl: VHDS, resources: [], removed: [...configurations] });
  }

  #subscribe(type: Subscription, message: DeltaRequest, out: RelayEffect[]): void {
    if (!type.opened) {
      type.opened = true;
      type.wildcard = message.subscribe.length === 0 || message.subscribe.includes('*');
      for (const [name, version] of message.initialResourceVersions) type.held.set(name, version);
      if (type.held.size > 0) type.answered = true;
    }
    type.subscribe(message.subscribe);
    for (const name of type.unsubscribe(message.unsubscribe)) out.push({ kind: 'drop', typeUrl: type.typeUrl, name });
  }

  /** R6, R7 */
  protected serve(out: RelayEffect[], message?: DeltaRequest): void {
    if (this.node === undefined) return;
    const asked = message === undefined ? {} : { asked: { typeUrl: message.typeUrl, names: message.subscribe } };
    const questions = { types: this.types, lastGood: this.node.lastGood, primed: this.#primed, ...asked };
    for (const answer of answersTo(questions)) for (const part of inParts(answer)) this.#send(out, part);
  }

  #send(out: RelayEffect[], { typeUrl, resources, removed }: LocalAnswer): void {
    const nonce = this.localNonce(resources.length);
    this.#sent({ typeUrl, nonce, resources, removed, stream: 0 });
    const raw = resources.map((resource) => resource.raw);
    out.push({ kind: 'to-envoy', bytes: composeDeltaResponse({ typeUrl, nonce, resources: raw, removed }) });
  }

  #sent(response: SentResponse): void {
    this.typeOf(response.typeUrl).sent(response);
    if (response.typeUrl !== VHDS) return;
    for (const name of [...response.resources.map((resource) => resource.name), ...response.removed])
      this.#primed.add(name.slice(0, name.indexOf('/')));
  }
}

const inParts = ({ typeUrl, resources, removed }: LocalAnswer): LocalAnswer[] =>
  partsOf(resources).map((part, at) => ({ typeUrl, resources: part, removed: at === 0 ? removed : [] }));
