/**
 * Which generation of its route configuration a client's listener names, as far as the stream has shown it.
 *
 * Nobody stores it: a client says it itself, whichever replica it comes to. It names listeners before route configurations, and an
 * answer to the first that named generation 0 would switch it back. So:
 * - A client without the listener, or whose listener is byte for byte that of generation 0, is in generation 0.
 * - Any other is asked nothing and answered nothing about listeners until its route configurations are heard of, which stand right
 *   behind: of those it names, the one whose listener has the version that it holds; when a newer Tendril compiles other bytes, so that
 *   none has, the latest.
 * - One that names none within `WAIT_MS` had a listener of another kind (a raw one): generation 0. Its old listener serves meanwhile.
 *
 * A state-of-the-world stream has no virtual hosts on demand, so nothing to renew, and is in generation 0: an Envoy that was renewed
 * over delta has to be started again to speak the other form, and begins with nothing. The same holds for streams of one type.
 */
import { generationOf, OUTBOUND_NAME } from '../model/index.ts';
import type { NodeView } from './resource-source.ts';
import type { SessionState } from './session-state.ts';
import type { SharedShapes } from './shapes.ts';

/** Longer than requests ever wait for their turn when all sidecars of a mesh come at once. */
const WAIT_MS = 10_000;
/** Generations that a client may be in, compared with what it holds. */
const MAX_CANDIDATES = 16;
const NONE: readonly string[] = [];

export class CurrentRoutes {
  /** The generation; 0 while not known. */
  n = 0;
  known = false;
  /** No listener goes out before this time unless `n` is known. 0: nothing waits. */
  waitUntil = 0;
  /** The generation before, until the client has acknowledged the listener of this one. */
  before: number | undefined;
  /** A renewal has been refused: there is none any more on this stream. */
  refused = false;
  /** Of the stream, ms. */
  began: number | undefined;
  /** Of this stream's last renewal, ms. */
  renewedAt: number | undefined;
  /** Stale hosts, as last counted. */
  stale = 0;
  /** Something that a renewal depends on has changed: look. */
  look = false;
  /** Look again at this time; 0: no such time. */
  lookAt = 0;
  readonly #view: NodeView;
  readonly #shapes: SharedShapes;
  #expired: readonly string[];

  constructor(view: NodeView, shapes: SharedShapes) {
    this.#view = view;
    this.#shapes = shapes;
    this.#expired = view.expired?.() ?? NONE;
  }

  /** Service ports of the caller's expired edges, as last read. */
  get expired(): readonly string[] {
    return this.#expired;
  }

  hasExpired(servicePort: string): boolean {
    return this.#expired.length > 0 && this.#shapes.setOf(this.#expired).has(servicePort);
  }

  /** Reads again which edges have expired; false: nothing has changed. */
  refresh(): boolean {
    const expired = this.#view.expired?.() ?? NONE;
    if (expired === this.#expired) return false;
    this.#expired = expired;
    this.look = true;
    return true;
  }

  /** Listeners are kept back: it is not known yet which generation they should name. */
  waits(now: number): boolean {
    return !this.known && now < this.waitUntil;
  }
}

const settle = (s: SessionState, n: number): void => {
  s.current.n = n;
  s.current.known = true;
  s.current.waitUntil = 0;
  if (n !== 0) s.view.useGeneration?.(n);
};

/** Listeners or route configurations have been asked for: which generation is it? */
export const learnGeneration = (s: SessionState, now: number): void => {
  const listeners = s.channel('lds');
  if (s.current.known || listeners === undefined) return;
  const held = listeners.ledger.versionOf(OUTBOUND_NAME);
  const isHeld = (): boolean => s.body('lds', OUTBOUND_NAME)?.version === held;
  if (s.view.useGeneration === undefined || s.only !== undefined || (held !== undefined && isHeld())) {
    settle(s, 0);
    return;
  }
  const routes = s.channel('rds');
  if (routes === undefined) {
    if (held === undefined) settle(s, 0);
    else s.current.waitUntil = now + WAIT_MS;
    return;
  }
  const named = [...routes.subscription.asked].flatMap((name) => generationOf(name) ?? []);
  const candidates = named.sort((a, b) => b - a).slice(0, MAX_CANDIDATES);
  for (const n of candidates) {
    s.view.useGeneration(n);
    if (!isHeld()) continue;
    settle(s, n);
    return;
  }
  s.view.useGeneration(0);
  settle(s, candidates[0] ?? 0);
};

/** The wait for route configurations is over. */
export const endWait = (s: SessionState, now: number): void => {
  if (!s.current.known && s.current.waitUntil !== 0 && now >= s.current.waitUntil) settle(s, 0);
};
