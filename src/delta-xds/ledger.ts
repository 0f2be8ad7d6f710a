/**
 * What one client holds of one type, as far as the server can know it.
 *
 * `sent` is what the client will hold once it has taken everything on its way; `good` what it is known to have taken (by ACK, or by
 * its own word when the stream began). A NACK puts `sent` back to `good`.
 */
import type { Item } from './effect.ts';
import { Parked } from './parked.ts';
import type { ResourceBody } from './resource-source.ts';
import { GONE, type Shape, type SharedShapes } from './shapes.ts';

export interface Held {
  sent: Shape;
  good: Shape | undefined;
}

/** How a response came to be: only broadcasts wait for one another. */
export type Lane = 'answer' | 'broadcast' | 'isolate';

/** A response that the client has neither acknowledged nor rejected. */
export interface Outstanding {
  readonly nonce: string;
  /** ms */
  readonly at: number;
  readonly lane: Lane;
  readonly items: readonly Item[];
  /** On-demand names (as asked) that it answers. */
  readonly questions: readonly string[];
}

/** After this time without an ACK a response no longer holds back others, ms. */
export const GATE_MS = 1_000;

/** Responses remembered per type; a client that never answers loses the oldest (its late ACK is then ignored). */
const MAX_OUTSTANDING = 128;

export class Ledger {
  readonly held = new Map<string, Held>();
  readonly parked = new Parked();
  #outstanding: Outstanding[] = [];

  get outstanding(): readonly Outstanding[] {
    return this.#outstanding;
  }

  /** Version that the client holds or is about to hold; undefined: none, or on its way out. */
  versionOf(name: string): string | undefined {
    const held = this.held.get(name);
    return held === undefined || held.sent === GONE ? undefined : held.sent.version;
  }

  seed(name: string, shape: Shape): void {
    const held = this.held.get(name);
    if (held === undefined) this.held.set(name, { sent: shape, good: shape });
    else held.good ??= shape;
  }

  /** What was seeded by its version alone turns out to be this one. */
  recognise(name: string, shapes: Pick<SharedShapes, 'of'>, body: ResourceBody): void {
    const held = this.held.get(name);
    if (held?.sent.domains !== undefined || held?.sent.version !== body.version) return;
    const shape = shapes.of(body);
    if (held.good === held.sent) held.good = shape;
    held.sent = shape;
  }

  record(response: Outstanding): void {
    for (const { name, shape } of response.items) {
      if (shape === undefined) continue;
      const held = this.held.get(name);
      if (held === undefined) this.held.set(name, { sent: shape, good: undefined });
      else held.sent = shape;
    }
    if (this.#outstanding.length >= MAX_OUTSTANDING) this.#outstanding.shift();
    this.#outstanding.push(response);
  }

  /** Takes the response with this nonce off the list; undefined: unknown or already settled. */
  settle(nonce: string): Outstanding | undefined {
    const list = this.#outstanding;
    // Nearly always the first, and often the only one.
    if (list[0]?.nonce === nonce) return list.shift();
    const at = list.findIndex((response) => response.nonce === nonce);
    return at < 0 ? undefined : list.splice(at, 1)[0];
  }

  /** ACK. `replaced` is told what the client gave up for each item. */
  accept(response: Outstanding, replaced?: (before: Shape, after: Shape) => void): void {
    for (const { name, shape } of response.items) {
      const held = this.held.get(name);
      if (held === undefined || shape === undefined) continue;
      const before = held.good;
      if (shape === GONE) {
        if (held.sent === GONE) this.held.delete(name);
        else held.good = undefined;
      } else {
        if (held.sent === before) held.sent = shape;
        held.good = shape;
      }
      if (before !== undefined && before !== shape) replaced?.(before, shape);
    }
  }

  /** NACK: the client kept what it had. */
  reject(response: Outstanding): void {
    for (const { name, shape } of response.items) {
      const held = this.held.get(name);
      if (held === undefined || held.sent !== shape) continue;
      if (held.good === undefined) this.held.delete(name);
      else held.sent = held.good;
    }
  }

  /**
   * What the client may turn out to hold besides `sent`: last known good ones, and those on their way that a later response replaces.
   */
  *alternatives(): Iterable<readonly [name: string, shape: Shape]> {
    for (const [name, { sent, good }] of this.held) if (good !== undefined && good !== sent) yield [name, good];
    for (const { items } of this.#outstanding)
      for (const { name, shape } of items)
        if (shape !== undefined && shape !== GONE && this.held.get(name)?.sent !== shape) yield [name, shape];
  }

  /** The client no longer wants it and has dropped it by itself. */
  forget(name: string): void {
    this.held.delete(name);
  }

  unackedNames(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const { items } of this.#outstanding) for (const { name } of items) names.add(name);
    return names;
  }

  /** Time from which a broadcast may go; 0: now. */
  gateOpensAt(now: number): number {
    let opens = 0;
    for (const { lane, at } of this.#outstanding)
      if (lane === 'broadcast' && at + GATE_MS > now && at + GATE_MS > opens) opens = at + GATE_MS;
    return opens;
  }

  /** On-demand answers in flight that are younger than the gate, and when the oldest of them stops counting. */
  answersInFlight(now: number): { readonly count: number; readonly oldestEnds: number } {
    let count = 0;
    let oldestEnds = 0;
    for (const { questions, at } of this.#outstanding)
      if (questions.length > 0 && at + GATE_MS > now) {
        count++;
        if (oldestEnds === 0) oldestEnds = at + GATE_MS;
      }
    return { count, oldestEnds };
  }
}
