/**
 * Names that one client asked for of one type on one stream (delta; xds_protocol.rst, "Subscribing to resources").
 *
 * - A first request without names is the legacy wildcard; it stays when names are added later.
 * - `*` may be subscribed and unsubscribed like a name; names asked for besides stay.
 * - A name in both lists of one request is subscribed, then unsubscribed.
 */
export interface SubscriptionChange {
  /** The first request of this type on the stream. */
  readonly first: boolean;
  readonly wildcardBegan: boolean;
  readonly wildcardEnded: boolean;
  /** Names to answer, each once, also those asked for before. */
  readonly asked: ReadonlySet<string>;
  /** Unsubscribed names, and whether they had been asked for. */
  readonly dropped: ReadonlyMap<string, boolean>;
}

const NONE: ReadonlySet<string> = new Set();

export class Subscription {
  opened = false;
  wildcard = false;
  #asked: Set<string> | undefined;
  readonly #remember: boolean;

  /** `remember`: keeps the names asked for. */
  constructor(remember = true) {
    this.#remember = remember;
  }

  get asked(): ReadonlySet<string> {
    return this.#asked ?? NONE;
  }

  has(name: string): boolean {
    return this.#asked?.has(name) ?? false;
  }

  apply(subscribe: readonly string[], unsubscribe: readonly string[]): SubscriptionChange {
    const first = !this.opened;
    this.opened = true;
    let began = first && subscribe.length === 0;
    let ended = false;
    const asked = new Set<string>();
    for (const name of subscribe) {
      if (name === '*') began = true;
      else {
        asked.add(name);
        if (!this.#remember) continue;
        this.#asked ??= new Set();
        this.#asked.add(name);
      }
    }
    if (began) this.wildcard = true;
    const dropped = new Map<string, boolean>();
    for (const name of unsubscribe) {
      if (name === '*') {
        ended = this.wildcard;
        this.wildcard = false;
        began = false;
      } else {
        asked.delete(name);
        dropped.set(name, (this.#asked?.delete(name) ?? false) || dropped.get(name) === true);
      }
    }
    return { first, wildcardBegan: began, wildcardEnded: ended, asked, dropped };
  }
}
