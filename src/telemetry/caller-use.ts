/**
 * The edges of one caller that were used lately, and which texts of log entries stand for them.
 *
 * Two generations: what is not used for one to two turns of `rotate` is forgotten, so an edge that is used again after that counts as a
 * first use: harmless.
 */

export interface UsedEdge {
  readonly from: string;
  readonly to: string;
  node: string;
  /** Node of the last report: another one is named rather than the same again. */
  toldNode: string;
  requests: number;
  errors: number;
  lastMs: number;
}

/** Texts remembered between two reports: beyond, each is looked up anew. */
const MAX_TEXTS = 20_000;
/** Of them, such as stand for nothing: whoever invents names must not push out the others. */
const MAX_NOTHING = 1_000;

export class CallerUse {
  readonly name: string;
  /** A first use was dropped at a bound since the last `rotate`. */
  dropped = false;
  #edges = new Map<string, UsedEdge>();
  #older = new Map<string, UsedEdge>();
  readonly #texts = new Map<string, UsedEdge | undefined>();
  #nothing = 0;
  #textsOf = -1;

  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.#edges.size + this.#older.size;
  }

  /** What a text stood for in this period; 'unknown': not looked up yet. What a caller may use may change from one to the next. */
  meaning(text: string, period: number): UsedEdge | undefined | 'unknown' {
    if (period !== this.#textsOf) {
      this.#texts.clear();
      this.#nothing = 0;
      this.#textsOf = period;
    }
    const edge = this.#texts.get(text);
    return edge !== undefined || this.#texts.has(text) ? edge : 'unknown';
  }

  remember(text: string, edge: UsedEdge | undefined): void {
    if (this.#texts.size >= MAX_TEXTS) return;
    if (edge === undefined && ++this.#nothing > MAX_NOTHING) return;
    this.#texts.set(text, edge);
  }

  edge(to: string): UsedEdge | undefined {
    const edge = this.#edges.get(to);
    if (edge !== undefined) return edge;
    const older = this.#older.get(to);
    if (older === undefined) return undefined;
    this.#older.delete(to);
    this.#edges.set(to, older);
    return older;
  }

  add(to: string): UsedEdge {
    const edge = { from: this.name, to, node: '', toldNode: '', requests: 0, errors: 0, lastMs: 0 };
    this.#edges.set(to, edge);
    return edge;
  }

  /** Forgets what was not used since the last turn. */
  rotate(): void {
    this.#older = this.#edges;
    this.#edges = new Map();
    this.#textsOf = -1;
    this.dropped = false;
  }
}
