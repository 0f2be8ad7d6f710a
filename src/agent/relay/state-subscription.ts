/** What one state-of-the-world stream says and holds of one resource type. */
import { CDS, LDS } from '../../proto/index.ts';
import { InFlight, type Unanswered } from './in-flight.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { RawState } from './state-wire.ts';
import { MAX_NAMES } from './subscription.ts';

/** A response that Envoy has not answered yet. */
export type SentState = RawState & Unanswered;

export class StateSubscription {
  readonly typeUrl: string;
  /** Envoy has sent its first message of this type. */
  opened = false;
  /** It names nothing, or `*`, and never has named anything: it wants all there is. */
  wildcard = false;
  /** A response has been sent on this stream, or Envoy came with a version. */
  answered = false;
  names: ReadonlySet<string> = new Set();
  /** `version_info` that Envoy has acknowledged. */
  version = '';
  /** Names in responses that Envoy has acknowledged. */
  readonly held = new Set<string>();
  readonly inFlight: InFlight<SentState>;
  /** The newest response: nonce, and the stream it came on. */
  newest: { readonly nonce: string; readonly stream: number } | undefined;
  /** Names that a control plane's stream was told last, and which one (`StateSession`). */
  told = '';
  /** Names and responses beyond the bounds. */
  overflowed = 0;

  constructor(typeUrl: string, budget?: MemoryBudget) {
    this.typeUrl = typeUrl;
    this.inFlight = new InFlight(budget);
  }

  /** A response of this type stands for everything that is wanted: what it lacks is gone (xds_protocol, "Resource hints"). */
  get whole(): boolean {
    return this.wildcard || this.typeUrl === CDS || this.typeUrl === LDS;
  }

  /** Gives the names that were given up. */
  wants(names: readonly string[]): string[] {
    const before = this.names;
    if (names.length > MAX_NAMES) this.overflowed += names.length - MAX_NAMES;
    const named = names.slice(0, MAX_NAMES).filter((name) => name !== '*');
    this.wildcard = names.includes('*') || (named.length === 0 && (!this.opened || this.wildcard));
    this.opened = true;
    this.names = new Set(named);
    const gone = [...before].filter((name) => !this.names.has(name));
    for (const name of gone) this.held.delete(name);
    return gone;
  }

  /** As a request lists them. */
  get asked(): string[] {
    return this.wildcard && this.names.size > 0 ? ['*', ...this.names] : [...this.names];
  }

  sent(response: SentState): void {
    this.answered = true;
    this.newest = { nonce: response.nonce, stream: response.stream };
    this.overflowed += this.inFlight.add(response);
  }

  acknowledged({ resources, versionInfo }: SentState): void {
    this.version = versionInfo;
    if (this.whole) this.held.clear();
    for (const { name } of resources) this.held.add(name);
  }

  /** Envoy holds it, or was sent it. */
  has(name: string): boolean {
    return this.held.has(name) || this.inFlight.has(name);
  }
}
