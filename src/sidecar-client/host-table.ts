/**
 * Virtual hosts held, and the hosts that were asked for: which of them is answered by what, what was released, and what of an answer is
 * therefore not taken. Part of the session (C2, C5 and C6 there); pure.
 */
import type { DecodedResource } from '../proto/wire.ts';
import type { DecodedHost } from './decode.ts';
import { DomainIndex } from './domain-index.ts';
import type { HostEffect } from './effect.ts';
import type { Held } from './held.ts';
import type { RequestParts } from './stream-requests.ts';

const NO_NAMES: readonly string[] = [];

export interface HostChange {
  readonly name: string;
  /** Undefined: no virtual host, or one that is not taken. */
  readonly held: Held<DecodedHost> | undefined;
}

interface Released {
  readonly unsubscribe: readonly string[];
  readonly subscribe: readonly string[];
  readonly gone: string | undefined;
}

export class HostTable {
  readonly held = new Map<string, Held<DecodedHost>>();
  readonly #prefix: string;
  /** Asked host -> version of its negative answer; '': its virtual host was removed; undefined: waiting, or answered by a virtual host. */
  readonly #asked = new Map<string, string | undefined>();
  /**
   * Hosts that a virtual host held answered when they were asked for, so that the control plane was not: it is when that one answers them
   * no more, or goes with the host for which it came.
   */
  readonly #known = new Set<string>();
  /** Of these, those that are to be asked for now. */
  #orphans: string[] = [];
  /** Which virtual host answers which of both. */
  readonly #domains = new DomainIndex((name) => this.held.get(name)?.value.domains ?? NO_NAMES);
  /** Hosts released on this stream: an answer that is still on its way is not taken. */
  readonly #released = new Set<string>();
  /** Virtual hosts unsubscribed on this stream. */
  readonly #declined = new Set<string>();

  /** `prefix` stands in front of a host in the name under which it is asked for. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** A new stream: what its first message says. */
  begin(): RequestParts {
    this.#declined.clear();
    this.#released.clear();
    const versions = new Map<string, string>();
    for (const [name, { version }] of this.held) versions.set(name, version);
    for (const [host, version] of this.#asked)
      if (version !== undefined && version !== '' && !versions.has(this.#prefix + host))
        versions.set(this.#prefix + host, version);
    const isFirst = versions.size === 0 && this.#asked.size === 0;
    const asked = [...this.#asked.keys()].map((host) => this.#prefix + host);
    return { subscribe: isFirst ? NO_NAMES : ['*', ...asked], versions };
  }

  asked(): readonly string[] {
    return [...this.#asked.keys(), ...this.#known];
  }

  /** The virtual host that answers a host; a wildcard domain counts. */
  virtualHostOf(host: string): string | undefined {
    return this.#domains.virtualHostOf(host);
  }

  /** Gives the name to subscribe to, or what is known. */
  ask(host: string): { readonly subscribe: string } | { readonly known: readonly HostEffect[] } {
    const known = this.virtualHostOf(host);
    if (known !== undefined) {
      if (!this.#asked.has(host)) {
        this.#known.add(host);
        this.#released.delete(host);
        this.#domains.watch(host);
      }
      return { known: [{ kind: 'host', host, virtualHost: known }] };
    }
    if (this.#asked.has(host))
      return { known: this.#asked.get(host) === undefined ? [] : [{ kind: 'host', host, virtualHost: undefined }] };
    this.remember(host);
    return { subscribe: this.#prefix + host };
  }

  /** A host counts as asked for. */
  remember(host: string): void {
    this.#known.delete(host);
    this.#asked.set(host, undefined);
    this.#released.delete(host);
    this.#domains.watch(host);
  }

  /**
   * C6. Gives what to unsubscribe from, what to ask for in its place, and the virtual host that went; undefined: the control plane was not
   * asked for the host.
   */
  release(host: string): Released | undefined {
    if (this.#known.delete(host)) this.#domains.unwatch(host);
    if (!this.#asked.has(host)) return undefined;
    const virtualHost = this.virtualHostOf(host);
    this.#asked.delete(host);
    this.#released.add(host);
    this.#domains.unwatch(host);
    const unsubscribe = [this.#prefix + host];
    if (virtualHost === undefined) return { unsubscribe, subscribe: NO_NAMES, gone: undefined };
    const [heir] = this.#domains.hostsOf(virtualHost);
    if (heir !== undefined) {
      // Asked for by the very name of the virtual host: to unsubscribe it would say that it is given up. It goes with the last heir.
      const isItsName = virtualHost === this.#prefix + host;
      const subscribe = this.#inherit(virtualHost, heir);
      return { unsubscribe: isItsName ? NO_NAMES : unsubscribe, subscribe, gone: undefined };
    }
    if (virtualHost !== this.#prefix + host) unsubscribe.push(virtualHost);
    this.#domains.leave([virtualHost]);
    this.held.delete(virtualHost);
    this.#domains.apply([{ name: virtualHost, domains: NO_NAMES }]);
    this.#declined.add(virtualHost);
    return { unsubscribe, subscribe: NO_NAMES, gone: virtualHost };
  }

  /** One at least of the hosts that a virtual host answers is asked for. */
  #inherit(virtualHost: string, heir: string): readonly string[] {
    for (const host of this.#domains.hostsOf(virtualHost)) if (this.#asked.has(host)) return NO_NAMES;
    this.remember(heir);
    return [this.#prefix + heir];
  }

  /** Hosts to ask for since the last call: what answered them is gone. */
  takeOrphans(): readonly string[] {
    if (this.#orphans.length === 0) return NO_NAMES;
    return this.#orphans.splice(0).map((host) => this.#prefix + host);
  }

  /** C6: it answers hosts that were released, and none that is asked for. */
  isDeclined(name: string, held: Held<DecodedHost> | undefined): boolean {
    if (held === undefined || this.#released.size === 0 || this.held.has(name)) return false;
    const { domains } = held.value;
    if (domains.some((domain) => this.#asked.has(domain) || this.#known.has(domain) || domain.startsWith('*'))) {
      this.#declined.delete(name);
      return false;
    }
    return this.#declined.has(name) || domains.some((domain) => this.#released.has(domain));
  }

  /** The server answered before it was told of the release: what it believes to be held is to be unsubscribed. */
  late(resources: readonly DecodedResource[]): readonly string[] {
    if (this.#released.size === 0) return NO_NAMES;
    const names = resources
      .filter(({ name, body }) => body !== undefined && !this.held.has(name) && !this.#declined.has(name))
      .map(({ name }) => name);
    for (const name of names) this.#declined.add(name);
    return names;
  }

  /** C5 */
  conflict(changes: readonly HostChange[], removed: readonly string[]): string | undefined {
    const domain = this.#domains.conflict([
      ...removed.map((name) => ({ name, domains: NO_NAMES })),
      ...changes.map(({ name, held }) => ({ name, domains: held?.value.domains ?? NO_NAMES })),
    ]);
    return domain === undefined
      ? undefined
      : `Only unique values for domains are permitted. Duplicate entry of domain ${domain}`;
  }

  /** Before a response is taken: what it changes or removes. */
  leave(changes: readonly HostChange[], removed: readonly string[]): void {
    this.#domains.leave(removed);
    this.#domains.leave(changes.flatMap(({ name, held }) => (held === undefined ? [] : [name])));
  }

  /** After it: domains of what changed, and answers to the hosts asked for that they touch. */
  reindex(
    changes: readonly HostChange[],
    removed: readonly string[],
    resources: readonly DecodedResource[],
  ): readonly HostEffect[] {
    const kept = changes.flatMap(({ name, held }) =>
      held === undefined ? [] : [{ name, domains: held.value.domains }],
    );
    const answers = this.#domains.apply([...removed.map((name) => ({ name, domains: NO_NAMES })), ...kept]);
    for (const { held } of changes) held?.value.settle?.();
    const negatives = new Map<string, string>();
    for (const { name, version, body } of resources) if (body === undefined) negatives.set(name, version);
    const touched = new Map(answers.map((answer) => [answer.host, answer]));
    const came = new Set(resources.map(({ name }) => name));
    for (const name of negatives.keys()) {
      const host = name.slice(this.#prefix.length);
      if (touched.has(host) || !name.startsWith(this.#prefix) || !this.#asked.has(host)) continue;
      const now = this.virtualHostOf(host);
      touched.set(host, { host, before: now, after: now });
    }
    const effects: HostEffect[] = [];
    for (const { host, before, after } of touched.values()) {
      const said = negatives.get(this.#prefix + host);
      if (after === undefined && this.#known.has(host)) {
        this.remember(host);
        this.#orphans.push(host);
      } else if (after !== undefined) {
        if (!this.#known.has(host)) this.#asked.set(host, undefined);
        if (before !== after || came.has(after)) effects.push({ kind: 'host', host, virtualHost: after });
      } else if (said !== undefined || before !== undefined) {
        this.#asked.set(host, said ?? this.#asked.get(host) ?? '');
        effects.push({ kind: 'host', host, virtualHost: undefined });
      }
    }
    return effects;
  }

  /** Of an earlier life, which kept C5: those that would break it all the same are left out and named. */
  restore(hosts: Iterable<readonly [string, Held<DecodedHost>]>): string[] {
    const problems: string[] = [];
    const changes: { readonly name: string; readonly domains: readonly string[] }[] = [];
    const taken = new Set<string>();
    const isFirst = this.held.size === 0;
    for (const [name, held] of hosts) {
      const { domains } = held.value;
      const twice =
        domains.find((domain) => taken.has(domain)) ??
        (isFirst ? undefined : this.#domains.conflict([{ name, domains }]));
      if (twice !== undefined) {
        problems.push(`vhds ${name}: Duplicate entry of domain ${twice}`);
        continue;
      }
      for (const domain of domains) taken.add(domain);
      this.held.set(name, held);
      changes.push({ name, domains });
    }
    this.#domains.apply(changes);
    for (const { name } of changes) this.held.get(name)?.value.settle?.();
    return problems;
  }
}
