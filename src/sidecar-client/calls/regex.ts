/**
 * Compares whole texts with an RE2 expression in time linear in the text: a set of states of the automaton moves over the code
 * points, nothing is tried twice (Thompson's construction, as in RE2 itself).
 *
 * Differences to Envoy: it sees code points where RE2 sees bytes of UTF-8, so `\C` takes a whole character; and an expression that
 * needs more than 10,000 states is refused.
 */
import { type Assertion, type CharTest, isWordCode, type RegexNode, RegexParser } from './regex-parse.ts';

const MAX_STATES = 10_000;
/** Nodes put together, empty ones too: `((){1000}){1000}` has no state at all. */
const MAX_NODES = 100_000;

type State =
  | { readonly kind: 'char'; readonly test: CharTest; readonly next: number }
  | { readonly kind: 'assert'; readonly what: Assertion; readonly next: number }
  | { readonly kind: 'split'; next: number; other: number }
  | { readonly kind: 'match' };

export class Regex {
  readonly #states: State[] = [{ kind: 'match' }];
  readonly #start: number;
  /** Step in which a state was last entered. */
  readonly #seen: Int32Array;
  #step = 0;
  #nodes = 0;

  /** Throws `SyntaxError` at what RE2 would not take, and at more than 10,000 states. */
  constructor(source: string) {
    this.#start = this.#build(new RegexParser(source).parse(), 0);
    this.#seen = new Int32Array(this.#states.length);
  }

  /** Whether the expression takes the whole text. */
  test(text: string): boolean {
    if (this.#step > 0x7000_0000) {
      this.#seen.fill(0);
      this.#step = 0;
    }
    let states: number[] = [];
    let next: number[] = [];
    let before: number | undefined;
    let at = 0;
    let code = text.codePointAt(0);
    this.#step += 1;
    this.#enter(this.#start, states, before, code);
    while (code !== undefined) {
      if (states.length === 0) return false;
      at += code > 0xffff ? 2 : 1;
      const after = text.codePointAt(at);
      this.#step += 1;
      for (const index of states) {
        const state = this.#states[index];
        if (state?.kind === 'char' && state.test(code)) this.#enter(state.next, next, code, after);
      }
      [states, next] = [next, states];
      next.length = 0;
      before = code;
      code = after;
    }
    return states.includes(0);
  }

  /** Adds the states that wait for a character, and the end. */
  #enter(from: number, into: number[], before: number | undefined, after: number | undefined): void {
    const waiting = [from];
    for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
      if (this.#seen[index] === this.#step) continue;
      this.#seen[index] = this.#step;
      const state = this.#states[index];
      if (state === undefined) continue;
      if (state.kind === 'split') waiting.push(state.other, state.next);
      else if (state.kind !== 'assert') into.push(index);
      else if (holds(state.what, before, after)) waiting.push(state.next);
    }
  }

  #add(state: State): number {
    if (this.#states.length >= MAX_STATES) throw new SyntaxError(`more than ${MAX_STATES} states`);
    return this.#states.push(state) - 1;
  }

  /** From back to front: the first state of the node, after which comes `next`. */
  #build(node: RegexNode, next: number): number {
    this.#nodes += 1;
    if (this.#nodes > MAX_NODES) throw new SyntaxError('nested repetitions multiply to too much');
    switch (node.kind) {
      case 'char':
        return this.#add({ kind: 'char', test: node.test, next });
      case 'assert':
        return this.#add({ kind: 'assert', what: node.what, next });
      case 'all':
        return node.parts.reduceRight((after, part) => this.#build(part, after), next);
      case 'any':
        return node.choices
          .map((choice) => this.#build(choice, next))
          .reduceRight((other, choice) => this.#add({ kind: 'split', next: choice, other }));
      case 'repeat':
        return this.#repeat(node, next);
    }
  }

  #repeat({ node, least, most }: RegexNode & { readonly kind: 'repeat' }, next: number): number {
    let at = next;
    if (most === Number.POSITIVE_INFINITY) {
      const loop: State = { kind: 'split', next: 0, other: next };
      at = this.#add(loop);
      loop.next = this.#build(node, at);
    } else {
      for (let optional = least; optional < most; optional++)
        at = this.#add({ kind: 'split', next: this.#build(node, at), other: next });
    }
    for (let count = 0; count < least; count++) at = this.#build(node, at);
    return at;
  }
}

const holds = (what: Assertion, before: number | undefined, after: number | undefined): boolean => {
  switch (what) {
    case 'textStart':
      return before === undefined;
    case 'textEnd':
      return after === undefined;
    case 'lineStart':
      return before === undefined || before === 10;
    case 'lineEnd':
      return after === undefined || after === 10;
    default: {
      const edge = (before !== undefined && isWordCode(before)) !== (after !== undefined && isWordCode(after));
      return edge === (what === 'wordEdge');
    }
  }
};
