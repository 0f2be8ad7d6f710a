/**
 * Mutated requests against decoder, session, hub and stream, over memory. One seed gives one run: streams that live for a few messages,
 * first some valid ones, then damaged ones, while the mesh changes and responses are taken late or never.
 */
import assert from 'node:assert/strict';
import type { XdsMethod } from '../../../src/delta-xds/methods.ts';
import { STATUS } from '../../../src/delta-xds/status.ts';
import {
  CDS,
  decodeDeltaResponse,
  decodeStateResponse,
  EDS,
  encodeDeltaRequest,
  encodeStateRequest,
  LDS,
  RDS,
  VHDS,
} from '../../../src/proto/index.ts';
import { type Conversation, recordCorpus } from './fuzz-corpus.ts';
import { assignmentBody, clusterBody, MemoryMesh, nodeOf, virtualHostBody } from './memory-mesh.ts';
import { MemoryServer, type MemoryStream } from './memory-server.ts';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';

const SERVICES = 40;
const STREAMS = 24;
/** Requests of one stream, at most. */
const MAX_LIFE = 60;
/** What a stream may end with: in order, malformed or misused, over a limit. */
const ALLOWED: ReadonlySet<number> = new Set([STATUS.OK, STATUS.INVALID_ARGUMENT, STATUS.RESOURCE_EXHAUSTED]);
const URLS = [CDS, EDS, LDS, RDS, VHDS, '', 'type.googleapis.com/some.other.Type'];
const LETTERS = [...'abcxyz019-._~:/*|%\u0000\u00e9\u{1f600} '];

interface Running {
  readonly stream: MemoryStream;
  readonly conversation: Conversation;
  /** Next valid request to begin from. */
  at: number;
  life: number;
  nonce: string;
  last: Uint8Array | undefined;
}

export interface FuzzReport {
  /** Mutated requests sent. */
  readonly requests: number;
  readonly streams: number;
  /** Streams that the server ended, by status. */
  readonly ended: ReadonlyMap<number, number>;
  readonly responses: number;
}

export class Fuzz {
  readonly #random: Random;
  readonly #mesh = new MemoryMesh();
  readonly server: MemoryServer;
  readonly #corpus: readonly Conversation[];
  #running: Running[] = [];
  #version = 0;
  #requests = 0;
  #streams = 0;
  #responses = 0;
  readonly #ended = new Map<number, number>();

  constructor(seed: number) {
    this.#random = new Random(seed);
    for (let index = 0; index < SERVICES; index++) this.#change(index);
    this.#mesh.preloads.set('app.shop', ['svc-7.shop:80', 'svc-8.shop:80']);
    this.server = new MemoryServer(this.#mesh, {
      unknownNames: 200,
      namesPerStream: 2_000,
      namesPerRequest: 500,
      cacheBytes: 2 ** 20,
    });
    this.#corpus = recordCorpus(this.server);
  }

  #change(index: number): void {
    const name = `svc-${index}.shop:80`;
    const version = ++this.#version;
    const mesh = this.#mesh;
    mesh.set('cds', name, clusterBody(name, `c-${version}`, true));
    mesh.set('eds', name, assignmentBody(name, `e-${version}`, [8_080]));
    mesh.set('vhds', name, virtualHostBody(`h-${version}`, [`svc-${index}`, `svc-${index}.shop`, name], [name]));
  }

  #disturb(): void {
    const random = this.#random;
    const index = random.below(SERVICES);
    if (random.chance(0.7)) this.#change(index);
    else for (const type of ['cds', 'eds', 'vhds'] as const) this.#mesh.set(type, `svc-${index}.shop:80`, undefined);
    if (random.chance(0.02)) this.#mesh.lost();
    this.server.wake();
  }

  #text(): string {
    const random = this.#random;
    if (random.chance(0.4)) return `svc-${random.below(SERVICES + 5)}.shop${random.chance(0.5) ? ':80' : ''}`;
    if (random.chance(0.3)) return `outbound/svc-${random.below(SERVICES + 5)}.shop`;
    if (random.chance(0.2))
      return random.pick(['*', '', 'outbound', 'local', 'inbound:80', 'outbound~80', 'outbound/-', '/']);
    const length = random.chance(0.005) ? 400 + random.below(5_000) : random.below(30);
    let text = '';
    while (text.length < length) text += random.pick(LETTERS);
    return text;
  }

  #texts(): string[] {
    const random = this.#random;
    return Array.from({ length: random.chance(0.003) ? random.below(700) : random.below(5) }, () => this.#text());
  }

  /** Mostly one that the method serves. */
  #typeUrl({ typeUrl, protocol }: XdsMethod): string {
    const random = this.#random;
    if (random.chance(0.02)) return random.pick(URLS);
    if (typeUrl !== undefined) return random.chance(0.5) ? typeUrl : '';
    return random.pick(protocol === 'sotw' ? [CDS, EDS, LDS, RDS] : [CDS, EDS, VHDS, VHDS, LDS, RDS]);
  }

  /** Well-formed, with names, nonces and types at random. */
  #invent(running: Running): Uint8Array {
    const random = this.#random;
    const common = {
      typeUrl: this.#typeUrl(running.conversation.method),
      responseNonce: random.chance(0.4) ? running.nonce : random.chance(0.3) ? this.#text() : '',
      ...(random.chance(0.05) ? { node: nodeOf(`${this.#text()}.shop`, this.#text()) } : {}),
      ...(random.chance(0.3) ? { errorDetail: { code: random.below(17), message: this.#text() } } : {}),
    };
    if (running.conversation.method.protocol === 'sotw')
      return encodeStateRequest({
        ...common,
        names: this.#texts(),
        versionInfo: random.chance(0.5) ? this.#text() : '',
      });
    return encodeDeltaRequest({
      ...common,
      subscribe: this.#texts(),
      unsubscribe: this.#texts(),
      initialResourceVersions: new Map(this.#texts().map((name) => [name, this.#text()])),
    });
  }

  #open(): Running {
    const conversation = this.#random.pick(this.#corpus);
    this.#streams++;
    return {
      stream: this.server.open(conversation.method),
      conversation,
      at: 0,
      life: 1 + this.#random.below(MAX_LIFE),
      nonce: '',
      last: undefined,
    };
  }

  /** One message: mostly damaged, some as they were, or the streams would not get far. */
  #message(running: Running): Uint8Array {
    const random = this.#random;
    const { requests } = running.conversation;
    const [first] = requests;
    const valid = requests[running.at % requests.length];
    if (first === undefined || valid === undefined) throw new Error('an empty conversation');
    if (running.at === 0 && random.chance(0.8)) {
      running.at++;
      return first;
    }
    running.at++;
    if (running.last !== undefined && random.chance(0.1)) {
      this.#requests++;
      return running.last;
    }
    if (random.chance(0.15)) return valid;
    this.#requests++;
    if (random.chance(0.5)) return this.#invent(running);
    const base = random.chance(0.3) ? this.#invent(running) : valid;
    return mutate(base, random.pick(requests), random);
  }

  #take(running: Running): void {
    const { stream, conversation } = running;
    for (let message = stream.take(); message !== undefined; message = stream.take()) {
      this.#responses++;
      const { nonce } =
        conversation.method.protocol === 'sotw' ? decodeStateResponse(message) : decodeDeltaResponse(message);
      assert.notEqual(nonce, '', 'every response has a nonce');
      running.nonce = nonce;
      if (this.#random.chance(0.1)) return;
    }
  }

  #step(): void {
    const random = this.#random;
    while (this.#running.length < STREAMS) this.#running.push(this.#open());
    const place = random.below(this.#running.length);
    const running = this.#running[place];
    if (running === undefined) return;
    const message = this.#message(running);
    running.last = message;
    running.stream.send(message);
    if (random.chance(0.7)) this.#take(running);
    if (random.chance(0.03)) this.#disturb();
    if (random.chance(0.3)) this.server.turn(random.chance(0.1) ? 1_500 : 1);
    if (random.chance(0.01)) this.server.deliveries.pass(() => true);
    const { ended, reset } = running.stream;
    if (ended !== undefined) {
      this.#ended.set(ended.code, (this.#ended.get(ended.code) ?? 0) + 1);
      assert.ok(ALLOWED.has(ended.code), `the server ended a stream with ${ended.code}: ${ended.message}`);
      if (ended.code !== STATUS.OK) assert.notEqual(ended.message, '', 'a refusal says why');
    }
    assert.deepEqual(this.server.failures, [], 'no defect inside the server');
    if (ended === undefined && !reset && --running.life > 0) return;
    if (ended === undefined && !reset) {
      if (random.chance(0.3)) running.stream.halfClose();
      running.stream.drop();
    }
    this.#running.splice(place, 1);
  }

  /** Sends this many mutated requests. An error names how far it had come. */
  run(requests: number): FuzzReport {
    const upTo = this.#requests + requests;
    try {
      while (this.#requests < upTo) this.#step();
    } catch (error) {
      throw new Error(`after ${this.#requests} mutated requests`, { cause: error });
    }
    return { requests: this.#requests, streams: this.#streams, ended: this.#ended, responses: this.#responses };
  }

  /** All clients go; nothing of them may stay. */
  end(): void {
    for (const { stream } of this.#running.splice(0)) stream.drop();
    this.server.turn(2_000);
    this.server.deliveries.pass(() => true);
    const { hub, streams, counters } = this.server;
    assert.deepEqual([hub.size, hub.waiting, streams.size, counters.inFlightBytes], [0, 0, 0, 0], 'something stayed');
  }
}
