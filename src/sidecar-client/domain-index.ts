/**
 * Which virtual host answers which host, kept up to date by what changed: an update costs its own domains, not those of all virtual
 * hosts held. (A client that took a thousand services one by one and made the index anew each time allocated 1.5 GB.)
 *
 * Domains are kept as hashes, and looked up again in the virtual hosts that they lead to: a service has seven, whose texts were a fifth of
 * what a client holds.
 */

export interface HostDomains {
  readonly name: string;
  /** Empty: the virtual host answers nothing, or is gone. */
  readonly domains: readonly string[];
}

const NONE: ReadonlySet<string> = new Set();

/** A watched host that a changed virtual host answers, or answered. */
export interface HostAnswer {
  readonly host: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** FNV-1a. */
const fnv = (domain: string): number => {
  let hash = 0x811c9dc5;
  for (let at = 0; at < domain.length; at++) hash = Math.imul(hash ^ domain.charCodeAt(at), 0x01000193);
  return hash | 0;
};

const hostsIn = (answered: string | ReadonlySet<string> | undefined): Iterable<string> =>
  typeof answered === 'string' ? [answered] : (answered ?? []);

export class DomainIndex {
  readonly #domainsOf: (virtualHost: string) => readonly string[];
  readonly #hash: (domain: string) => number;
  /** Hash of a domain -> the virtual hosts that have one of that hash; nearly always one. */
  readonly #owners = new Map<number, string | readonly string[]>();
  /** Watched host -> the virtual host that answers it. */
  readonly #watched = new Map<string, string | undefined>();
  /** Virtual host -> watched hosts that it answers; nearly always one. */
  readonly #answered = new Map<string, string | Set<string>>();

  /** `domainsOf`: domains of a virtual host as it is held. */
  constructor(domainsOf: (virtualHost: string) => readonly string[], hash: (domain: string) => number = fnv) {
    this.#domainsOf = domainsOf;
    this.#hash = hash;
  }

  /** From now on `apply` tells when the answer to this host is touched. */
  watch(host: string): void {
    if (!this.#watched.has(host)) this.#answer(host, this.#find(host, this.#domainsOf));
  }

  unwatch(host: string): void {
    this.#answer(host, undefined);
    this.#watched.delete(host);
  }

  /** Watched hosts that this virtual host answers. */
  hostsOf(virtualHost: string): Iterable<string> {
    return hostsIn(this.#answered.get(virtualHost));
  }

  /** The virtual host that answers a host (`host` or `host:port`); a wildcard domain counts, the longest first. */
  virtualHostOf(host: string): string | undefined {
    return this.#watched.get(host) ?? this.#find(host, this.#domainsOf);
  }

  #find(host: string, domainsOf: (virtualHost: string) => readonly string[]): string | undefined {
    const exact = this.#ownerOf(host, domainsOf);
    if (exact !== undefined) return exact;
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const wild = this.#ownerOf(`*${host.slice(dot)}`, domainsOf);
      if (wild !== undefined) return wild;
    }
    return undefined;
  }

  /** `except`: virtual hosts that do not count; their domains are not read. */
  #ownerOf(
    domain: string,
    domainsOf: (virtualHost: string) => readonly string[],
    except: ReadonlySet<string> = NONE,
  ): string | undefined {
    const owners = this.#owners.get(this.#hash(domain));
    if (owners === undefined) return undefined;
    const has = (owner: string): boolean => !except.has(owner) && domainsOf(owner).includes(domain);
    if (typeof owners === 'string') return has(owners) ? owners : undefined;
    return owners.find(has);
  }

  /** A domain that two virtual hosts would have after these changes: Envoy refuses such an update whole. Undefined: none. */
  conflict(changes: readonly HostDomains[]): string | undefined {
    const touched = new Set(changes.map(({ name }) => name));
    const taken = new Set<string>();
    for (const { domains } of changes)
      for (const domain of domains) {
        if (taken.has(domain) || this.#ownerOf(domain, this.#domainsOf, touched) !== undefined) return domain;
        taken.add(domain);
      }
    return undefined;
  }

  /** Virtual hosts that are about to change or to go: to be told while they are still held as they were. */
  leave(names: readonly string[]): void {
    for (const name of names) for (const domain of this.#domainsOf(name)) this.#disown(this.#hash(domain), name);
  }

  /** Takes changes that do not conflict, after `leave`, when they are held. Gives the watched hosts that the changed virtual hosts answered before or answer now. */
  apply(changes: readonly HostDomains[]): readonly HostAnswer[] {
    const touched = new Set<string>();
    for (const { name } of changes) {
      for (const host of hostsIn(this.#answered.get(name))) touched.add(host);
    }
    let isWild = false;
    for (const { name, domains } of changes) {
      if (domains.length === 0) continue;
      for (const domain of domains) {
        this.#own(this.#hash(domain), name);
        isWild ||= domain.startsWith('*');
        if (this.#watched.has(domain)) touched.add(domain);
      }
    }
    const came = new Map(changes.map(({ name, domains }) => [name, domains]));
    const domainsOf = (name: string): readonly string[] => came.get(name) ?? this.#domainsOf(name);
    const answers: HostAnswer[] = [];
    for (const host of isWild ? [...this.#watched.keys()] : touched) {
      const before = this.#watched.get(host);
      const after = this.#find(host, domainsOf);
      if (!touched.has(host) && (after === undefined || !came.has(after))) continue;
      this.#answer(host, after);
      answers.push({ host, before, after });
    }
    return answers;
  }

  #own(hash: number, name: string): void {
    const owners = this.#owners.get(hash);
    if (owners === undefined) this.#owners.set(hash, name);
    else if (typeof owners === 'string') {
      if (owners !== name) this.#owners.set(hash, [owners, name]);
    } else if (!owners.includes(name)) this.#owners.set(hash, [...owners, name]);
  }

  #disown(hash: number, name: string): void {
    const owners = this.#owners.get(hash);
    if (typeof owners === 'object') {
      const rest = owners.filter((owner) => owner !== name);
      if (rest.length > 0) this.#owners.set(hash, rest);
      else this.#owners.delete(hash);
    } else if (owners === name) this.#owners.delete(hash);
  }

  #answer(host: string, virtualHost: string | undefined): void {
    const before = this.#watched.get(host);
    this.#watched.set(host, virtualHost);
    if (before === virtualHost) return;
    if (before !== undefined) {
      const hosts = this.#answered.get(before);
      if (typeof hosts === 'object') hosts.delete(host);
      if (hosts === host || (typeof hosts === 'object' && hosts.size === 0)) this.#answered.delete(before);
    }
    if (virtualHost === undefined) return;
    const others = this.#answered.get(virtualHost);
    if (others === undefined) this.#answered.set(virtualHost, host);
    else if (typeof others === 'object') others.add(host);
    else if (others !== host) this.#answered.set(virtualHost, new Set([others, host]));
  }
}
