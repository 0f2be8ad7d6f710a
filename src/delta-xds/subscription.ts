/**
 * Names that one client asked for of one type on one stream (xds_protocol.rst, "How the client specifies what resources to return").
 *
 * Delta (`apply`):
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
  /** State of the world: a list had names. */
  #named = false;
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

  /** State of the world: a list with names has been seen, though it came too late to count. An empty one is no wildcard any more. */
  named(): void {
    this.#named = true;
  }

  /**
   * State of the world: every request lists all names. `byDefault`: an empty list stands for all until a list had names
   * (CDS, LDS); of the other types it stands for none. An empty name names nothing.
   */
  replace(names: readonly string[], byDefault: boolean): SubscriptionChange {
    const first = !this.opened;
    this.opened = true;
    if (names.length > 0) this.#named = true;
    const given = new Set<string>();
    let all = names.length === 0 && byDefault && !this.#named;
    for (const name of names)
      if (name === '*') all = true;
      else if (name !== '') given.add(name);
    const before = this.asked;
    const asked = new Set<string>();
    const dropped = new Map<string, boolean>();
    for (const name of given) if (!before.has(name)) asked.add(name);
    for (const name of before) if (!given.has(name)) dropped.set(name, true);
    const change = {
      first,
      wildcardBegan: all && !this.wildcard,
      wildcardEnded: !all && this.wildcard,
      asked,
      dropped,
    };
    if (asked.size > 0 || dropped.size > 0) this.#asked = given.size === 0 ? undefined : given;
    this.wildcard = all;
    return change;
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
