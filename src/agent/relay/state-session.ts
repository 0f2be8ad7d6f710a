/**
 * One Envoy's (or gRPC client's) aggregated state-of-the-world stream through the relay: a pure machine beside `RelaySession`, with the
 * same facts and effects. While a control plane is there, messages pass as they are; while none is, the last good configuration of the
 * node answers: of listeners and clusters everything in one response, of other types what is missing.
 *
 * Invariants (cited by the tests as W1, W2, …):
 *  W1 Nothing that a control plane does or fails to do ends the client's stream.
 *  W2 What the client acknowledged becomes last good, and only that. What a later response of the whole lacks, and names given up, end it.
 *  W3 A control plane sees only nonces of its own present stream. Answers to other responses end here; new names in them pass on.
 *  W4 On a new stream of a control plane the first request of each type names all that the client wants and the version it holds; the
 *     stream's first request carries the node as the client wrote it.
 *  W5 A version of an answer made here is never told as one that is held: the control plane sends its own again, whole.
 *  W6 Answers made here have nonces of their own. One of listeners or clusters gives all that is known of what is wanted, so that it
 *     takes nothing away; it is made only where something is missing.
 *  W7 A name that the last good configuration lacks stays asked for; a later stream names it.
 */
import { composeStateResponse, decodeStateRequest, type StateRequest } from '../../proto/index.ts';
import type { RelayEffect } from './effect.ts';
import { RelayStream } from './relay-stream.ts';
import { emptyAssignment, inOrder } from './stand-alone.ts';
import { StateSubscription } from './state-subscription.ts';
import { anyOf, readState, stateNodeField, stateRequest } from './state-wire.ts';
import { placeholderOf } from './subscription.ts';
import { partsOf, type RawResource } from './wire.ts';

/** `version_info` of answers made here. */
const VERSION = 'tendril-relay-last-good';

export class StateSession extends RelayStream<StateSubscription> {
  holds(typeUrl: string, name: string): boolean {
    return this.types.get(typeUrl)?.has(name) === true;
  }

  onRequest(bytes: Uint8Array): RelayEffect[] {
    const message = decodeStateRequest(bytes);
    this.identify(message.node, () => stateNodeField(bytes));
    const out: RelayEffect[] = [];
    const type = this.typeOf(message.typeUrl);
    const passes = this.#answerTo(type, message, out);
    const asks = this.#wants(type, message, out);
    if (this.state === 'up') {
      const { typeUrl, asked: names, version: versionInfo } = type;
      if (!passes && this.#told(names) === type.told) return out;
      type.told = this.#told(names);
      const told = { typeUrl, names, versionInfo: ofControlPlane(versionInfo) };
      out.push({
        kind: 'to-control-plane',
        bytes: passes ? withoutOwn(bytes, message) : stateRequest({ ...told, responseNonce: this.#nonceOf(type) }),
      });
      return out;
    }
    if (this.alone && asks) this.serve(out);
    this.join(out);
    return out;
  }

  onResponse(bytes: Uint8Array): RelayEffect[] {
    if (this.state !== 'up') return [];
    const response = readState(bytes);
    this.relayed(response.resources.length);
    this.typeOf(response.typeUrl).sent({ ...response, stream: this.stream });
    return [{ kind: 'to-envoy', bytes }];
  }

  protected makeType(typeUrl: string): StateSubscription {
    return new StateSubscription(typeUrl, this.options.budget);
  }

  /** W4, W5 */
  protected again(type: StateSubscription, node: Uint8Array | undefined): Uint8Array {
    const { typeUrl, asked: names } = type;
    type.told = this.#told(names);
    return stateRequest({ typeUrl, names, versionInfo: ofControlPlane(type.version), responseNonce: '' }, node);
  }

  /** What a stream of the control plane was told, as one text: another stream was told nothing. */
  #told(names: readonly string[]): string {
    return [this.stream, ...names].join('\0');
  }

  /** The newest nonce of the control plane's present stream; empty: it has sent nothing of this type. */
  #nonceOf({ newest }: StateSubscription): string {
    return newest !== undefined && newest.stream === this.stream ? newest.nonce : '';
  }

  /** W2, W3. Gives whether the message may pass to the control plane as it is. */
  #answerTo(type: StateSubscription, message: StateRequest, out: RelayEffect[]): boolean {
    const { responseNonce, errorDetail } = message;
    if (responseNonce === '') return type.newest === undefined && message.versionInfo !== VERSION;
    const sent = type.inFlight.settle(responseNonce);
    if (sent === undefined) return type.newest?.stream === this.stream && type.newest.nonce === responseNonce;
    if (errorDetail === undefined) {
      if (sent.stream !== 0) this.#good(type, sent.resources, new Set(message.names), out);
      type.acknowledged(sent);
    } else {
      this.counters.refused++;
      if (sent.stream === 0) this.#refusedHere(type, sent.resources, out);
    }
    return sent.stream === this.stream;
  }

  /** W2. `wanted`: the names of the acknowledgement; something may have been given up meanwhile. */
  #good(
    type: StateSubscription,
    resources: readonly RawResource[],
    wanted: ReadonlySet<string>,
    out: RelayEffect[],
  ): void {
    const { typeUrl, wildcard } = type;
    for (const resource of resources)
      if (wildcard || wanted.has(resource.name)) out.push({ kind: 'keep', typeUrl, resource });
    if (!type.whole) return;
    const there = new Set(resources.map(({ name }) => name));
    for (const { name } of this.node?.lastGood.all(typeUrl) ?? [])
      if (!there.has(name) && (wildcard || type.names.has(name))) out.push({ kind: 'drop', typeUrl, name });
  }

  /** Of a whole, Envoy has taken what it could; of other types each resource goes by itself, and what is bad is last good no longer. */
  #refusedHere(type: StateSubscription, resources: readonly RawResource[], out: RelayEffect[]): void {
    if (type.whole || this.state === 'up') return;
    const [only] = resources;
    if (resources.length === 1 && only !== undefined)
      out.push({ kind: 'drop', typeUrl: type.typeUrl, name: only.name });
    else for (const resource of resources) this.#send(out, type, [resource]);
  }

  /** Gives whether something may have to be answered. */
  #wants(type: StateSubscription, message: StateRequest, out: RelayEffect[]): boolean {
    const { names, responseNonce, versionInfo } = message;
    // An answer to what is no longer the newest: the names come again with that one's (checklist 32).
    if (responseNonce !== '' && type.newest !== undefined && responseNonce !== type.newest.nonce) return false;
    const first = !type.opened;
    const before = type.names;
    for (const name of type.wants(names)) out.push({ kind: 'drop', typeUrl: type.typeUrl, name });
    if (first && versionInfo !== '') {
      type.version = versionInfo;
      type.answered = true;
      for (const name of type.names) type.held.add(name);
    }
    return first || names.some((name) => !before.has(name));
  }

  /** W6, W7 */
  protected serve(out: RelayEffect[]): void {
    const lastGood = this.node?.lastGood;
    if (lastGood === undefined || lastGood.size === 0) return;
    for (const type of inOrder(this.types.values())) {
      const missing = [...type.names].filter((name) => !type.has(name));
      const first = type.wildcard && !type.answered;
      if (type.whole) {
        const { typeUrl } = type;
        if (!first && !missing.some((name) => lastGood.get(typeUrl, name) !== undefined)) continue;
        const known = [...lastGood.all(typeUrl)].filter(({ name }) => type.wildcard || type.names.has(name));
        this.#send(out, type, known);
      } else {
        const known = missing.flatMap((name) => lastGood.get(type.typeUrl, name) ?? emptyOf(type.typeUrl, name));
        if (known.length > 0) for (const part of partsOf(known)) this.#send(out, type, part);
      }
    }
  }

  #send(out: RelayEffect[], type: StateSubscription, resources: readonly RawResource[]): void {
    const { typeUrl } = type;
    const nonce = this.localNonce(resources.length);
    type.sent({ typeUrl, nonce, versionInfo: VERSION, resources, stream: 0 });
    const anys = resources.map(({ raw }) => anyOf(raw));
    out.push({
      kind: 'to-envoy',
      bytes: composeStateResponse({ typeUrl, nonce, versionInfo: VERSION, resources: anys }),
    });
  }
}

/** W5 */
const ofControlPlane = (version: string): string => (version === VERSION ? '' : version);

/** W5: an Envoy that refuses a control plane's response names the version it has, which may be one of an answer made here. */
const withoutOwn = (bytes: Uint8Array, { node: _, ...message }: StateRequest): Uint8Array =>
  message.versionInfo === VERSION ? stateRequest({ ...message, versionInfo: '' }) : bytes;

/** In place of an assignment that is not known, so that its cluster frees Envoy from waiting (envoy-wire2, section 10). */
const emptyOf = (typeUrl: string, name: string): RawResource[] => {
  const version = placeholderOf(typeUrl);
  return version === undefined ? [] : [emptyAssignment(name, version)];
};
