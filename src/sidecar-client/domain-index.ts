/**
 * Which virtual host answers which host, kept up to date by what changed: an update costs its own domains, not those of all virtual
 * hosts held. (A client that took a thousand services one by one and made the index anew each time allocated 1.5 GB.)
 */

export interface HostDomains {
  readonly name: string;
  /** Empty: the virtual host answers nothing, or is gone. */
  readonly domains: readonly string[];
}

/** A watched host that a changed virtual host answers, or answered. */
export interface HostAnswer {
  readonly host: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

const NO_HOSTS: ReadonlySet<string> = new Set();

export class DomainIndex {
  readonly #owners = new Map<string, string>();
  readonly #domains = new Map<string, readonly string[]>();
  /** Watched host -> the virtual host that answers it. */
  readonly #watched = new Map<string, string | undefined>();
  /** Virtual host -> watched hosts that it answers. */
  readonly #answered = new Map<string, Set<string>>();

  /** From now on `apply` tells when the answer to this host is touched. */
  watch(host: string): void {
    if (!this.#watched.has(host)) this.#answer(host, this.virtualHostOf(host));
  }

  unwatch(host: string): void {
    this.#answer(host, undefined);
    this.#watched.delete(host);
  }

  /** Watched hosts that this virtual host answers. */
  hostsOf(virtualHost: string): ReadonlySet<string> {
    return this.#answered.get(virtualHost) ?? NO_HOSTS;
  }

  /** The virtual host that answers a host (`host` or `host:port`); a wildcard domain counts, the longest first. */
  virtualHostOf(host: string): string | undefined {
    const exact = this.#owners.get(host);
    if (exact !== undefined) return exact;
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const wild = this.#owners.get(`*${host.slice(dot)}`);
      if (wild !== undefined) return wild;
    }
    return undefined;
  }

  /** A domain that two virtual hosts would have after these changes: Envoy refuses such an update whole. Undefined: none. */
  conflict(changes: readonly HostDomains[]): string | undefined {
    const touched = new Set(changes.map(({ name }) => name));
    const taken = new Set<string>();
    for (const { domains } of changes)
      for (const domain of domains) {
        const owner = this.#owners.get(domain);
        if (taken.has(domain) || (owner !== undefined && !touched.has(owner))) return domain;
        taken.add(domain);
      }
    return undefined;
  }

  /** Takes changes that do not conflict. Gives the watched hosts that the changed virtual hosts answered before or answer now. */
  apply(changes: readonly HostDomains[]): readonly HostAnswer[] {
    const touched = new Set<string>();
    for (const { name } of changes) {
      for (const host of this.#answered.get(name) ?? []) touched.add(host);
      for (const domain of this.#domains.get(name) ?? []) this.#owners.delete(domain);
      this.#domains.delete(name);
    }
    let isWild = false;
    for (const { name, domains } of changes) {
      if (domains.length === 0) continue;
      this.#domains.set(name, domains);
      for (const domain of domains) {
        this.#owners.set(domain, name);
        isWild ||= domain.startsWith('*');
        if (this.#watched.has(domain)) touched.add(domain);
      }
    }
    const names = new Set(changes.map(({ name }) => name));
    const answers: HostAnswer[] = [];
    for (const host of isWild ? [...this.#watched.keys()] : touched) {
      const before = this.#watched.get(host);
      const after = this.virtualHostOf(host);
      if (!touched.has(host) && (after === undefined || !names.has(after))) continue;
      this.#answer(host, after);
      answers.push({ host, before, after });
    }
    return answers;
  }

  #answer(host: string, virtualHost: string | undefined): void {
    const before = this.#watched.get(host);
    this.#watched.set(host, virtualHost);
    if (before === virtualHost) return;
    if (before !== undefined) {
      const hosts = this.#answered.get(before);
      hosts?.delete(host);
      if (hosts?.size === 0) this.#answered.delete(before);
    }
    if (virtualHost === undefined) return;
    const hosts = this.#answered.get(virtualHost) ?? new Set();
    this.#answered.set(virtualHost, hosts.add(host));
  }
}
