/** What one Envoy stream says and holds of one resource type. */
import { EDS, VHDS } from '../../proto/index.ts';
import { InFlight, type Unanswered } from './in-flight.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { RawResponse } from './wire.ts';

/** A response that Envoy has not answered yet. */
export type SentResponse = RawResponse & Unanswered;

/** Names recorded per type: one more is passed on but not asked for again on the next stream. */
export const MAX_NAMES = 100_000;

export class Subscription {
  readonly typeUrl: string;
  /** Envoy has sent its first message of this type. */
  opened = false;
  /** That message named nothing, or `*`: everything (listeners, clusters), or "get ready" (virtual hosts). */
  wildcard = false;
  /** A response of this type has been sent on this stream, or Envoy came with versions. */
  answered = false;
  readonly names = new Set<string>();
  /** Name -> version that Envoy has acknowledged; '': an answer made here that stands for nothing. */
  readonly held = new Map<string, string>();
  readonly inFlight: InFlight<SentResponse>;
  /** Names and responses beyond the bounds. */
  overflowed = 0;

  constructor(typeUrl: string, budget?: MemoryBudget) {
    this.typeUrl = typeUrl;
    this.inFlight = new InFlight(budget);
  }

  subscribe(names: readonly string[]): void {
    for (const name of names) {
      if (name === '*') continue;
      if (this.names.size < MAX_NAMES) this.names.add(name);
      else this.overflowed++;
    }
  }

  /** Names that Envoy has given up. */
  unsubscribe(names: readonly string[]): string[] {
    return names.filter((name) => {
      this.names.delete(name);
      return this.held.delete(name);
    });
  }

  sent(response: SentResponse): void {
    this.answered = true;
    this.overflowed += this.inFlight.add(response);
  }

  acknowledged({ resources, removed, stream }: SentResponse): void {
    for (const { name, version } of resources)
      this.held.set(name, stream === 0 && isPlaceholder(version) ? '' : version);
    for (const name of removed) this.held.delete(name);
  }

  /** What the first request of a new stream says: as Envoy itself would. */
  again(): { readonly subscribe: readonly string[]; readonly versions: ReadonlyMap<string, string> } {
    const versions = new Map<string, string>();
    for (const [name, version] of this.held) if (version !== '') versions.set(name, version);
    const bare = this.names.size === 0 && (this.typeUrl !== VHDS || versions.size === 0);
    const subscribe = this.wildcard && !bare ? ['*', ...this.names] : [...this.names];
    return { subscribe, versions };
  }
}

const PLACEHOLDER = 'tendril-relay-empty';

export const isPlaceholder = (version: string): boolean => version === PLACEHOLDER;

/** Version of an assignment without endpoints that frees a cluster from waiting (envoy-wire2, section 10). */
export const placeholderOf = (typeUrl: string): string | undefined => (typeUrl === EDS ? PLACEHOLDER : undefined);
