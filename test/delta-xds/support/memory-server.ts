/** The xDS server without sockets, clocks and chance: streams over memory, time and turns of the event loop in the test's hands. */
import { AdsStream } from '../../../src/delta-xds/ads-stream.ts';
import { BytesCache } from '../../../src/delta-xds/bytes-cache.ts';
import { DeliveryLog } from '../../../src/delta-xds/delivery-log.ts';
import { Hub } from '../../../src/delta-xds/hub.ts';
import { SharedShapes } from '../../../src/delta-xds/index.ts';
import { DEFAULT_SERVER_LIMITS, type ServerLimits, zeroSessionCounters } from '../../../src/delta-xds/limits.ts';
import type { XdsMethod } from '../../../src/delta-xds/methods.ts';
import { ResponseTemplates } from '../../../src/delta-xds/response-templates.ts';
import { type StreamContext, zeroStreamCounters } from '../../../src/delta-xds/stream-context.ts';
import type { MemoryMesh } from './memory-mesh.ts';

/** The client's end of a stream. */
export interface MemoryStream {
  send(message: Uint8Array): void;
  halfClose(): void;
  /** The connection is gone. */
  drop(): void;
  /** Responses not taken yet. */
  readonly waiting: readonly Uint8Array[];
  /** Takes the oldest response. */
  take(): Uint8Array | undefined;
  /** Status that the server ended it with. */
  readonly ended: { readonly code: number; readonly message: string } | undefined;
  readonly reset: boolean;
}

export class MemoryServer {
  readonly counters = zeroStreamCounters();
  readonly sessionCounters = zeroSessionCounters();
  readonly deliveries = new DeliveryLog();
  readonly cache: BytesCache;
  readonly hub: Hub;
  /** Errors inside the server: defects. */
  readonly failures: unknown[] = [];
  readonly streams = new Set<AdsStream>();
  readonly #context: StreamContext;
  now = 0;
  #later: (() => void)[] = [];
  #timers: { readonly at: number; readonly run: () => void }[] = [];
  #tags = 0;

  constructor(mesh: MemoryMesh, limits: Partial<ServerLimits> = {}) {
    const all: ServerLimits = { ...DEFAULT_SERVER_LIMITS, ...limits };
    const later = (run: () => void): void => {
      this.#later.push(run);
    };
    this.cache = new BytesCache(all.cacheBytes);
    this.hub = new Hub({
      source: mesh,
      shapes: new SharedShapes(10_000, 2 ** 19),
      session: { limits: all, counters: this.sessionCounters },
      clock: () => this.now,
      later,
      after: (ms, run) => {
        const timer = { at: this.now + ms, run };
        this.#timers.push(timer);
        return () => {
          this.#timers = this.#timers.filter((one) => one !== timer);
        };
      },
      tag: () => (++this.#tags).toString(36),
    });
    this.#context = {
      hub: this.hub,
      source: mesh,
      cache: this.cache,
      templates: new ResponseTemplates(),
      limits: all,
      wireLimits: {
        maxNames: all.namesPerRequest + all.namesPerStream,
        maxNameBytes: 4_096,
        maxMetadataValues: 4_096,
      },
      identifier: 'tendril/memory/0',
      clock: () => this.now,
      watcher: undefined,
      onPush: undefined,
      now: () => this.now,
      offset: () => 1,
      later,
      counters: this.counters,
      onObserve: () => undefined,
      deliveries: this.deliveries,
      warn: (facts) => {
        if ('err' in facts) this.failures.push(facts.err);
      },
      onEnd: (stream) => this.streams.delete(stream),
    };
  }

  open(method: XdsMethod): MemoryStream {
    const waiting: { readonly message: Uint8Array; readonly taken: () => void }[] = [];
    let ended: { readonly code: number; readonly message: string } | undefined;
    let reset = false;
    const stream = new AdsStream(
      this.#context,
      {
        peer: 'memory:1',
        write: (message, taken) => {
          waiting.push({ message, taken });
          return waiting.length < 16;
        },
        end: (code, message) => {
          ended = { code, message };
        },
        read: () => undefined,
        reset: () => {
          reset = true;
        },
      },
      method,
    );
    this.streams.add(stream);
    return {
      send: (message) => stream.onMessage(message),
      halfClose: () => stream.onHalfClose(),
      drop: () => stream.onClose(),
      get waiting() {
        return waiting.map(({ message }) => message);
      },
      take: () => {
        const first = waiting.shift();
        first?.taken();
        return first?.message;
      },
      get ended() {
        return ended;
      },
      get reset() {
        return reset;
      },
    };
  }

  /** Tells the sessions of what has changed in the mesh. */
  wake(): void {
    void this.hub.wake();
  }

  /** Everything that waits for a later turn, and all timers up to `ms` from now. */
  turn(ms = 0): void {
    this.now += ms;
    for (const due of this.#timers.filter(({ at }) => at <= this.now)) {
      this.#timers = this.#timers.filter((one) => one !== due);
      due.run();
    }
    for (let run = this.#later.shift(); run !== undefined; run = this.#later.shift()) run();
  }
}
