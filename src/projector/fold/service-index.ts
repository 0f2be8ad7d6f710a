/** Indexes over services: names in order, and which service claims which external host. Both follow the service table. */
import { claimedHosts, type ServiceEntity } from './service-entity.ts';

export class ServiceIndex {
  /** Ascending; undefined: to be sorted anew when somebody asks. */
  private names: readonly string[] | undefined = [];
  /** In order of `names`, then those that came since: so sorting anew is one pass with few moves. */
  private known = new Set<string>();
  private readonly claims = new Map<string, Set<string>>();

  /** Follows one write of the table. */
  changed(name: string, before: ServiceEntity | undefined, after: ServiceEntity | undefined): void {
    if (before === undefined && after !== undefined) this.add(name);
    if (before !== undefined && after === undefined) this.remove(name);
    const hosts = claimedHosts(after);
    const gone = claimedHosts(before);
    if (hosts.size === 0 && gone.size === 0) return;
    for (const host of gone) if (!hosts.has(host)) this.unclaim(host, name);
    for (const host of hosts) if (!gone.has(host)) this.claim(host, name);
  }

  inOrder(): readonly string[] {
    if (this.names === undefined) {
      this.names = [...this.known].sort();
      this.known = new Set(this.names);
    }
    return this.names;
  }

  has(name: string): boolean {
    return this.known.has(name);
  }

  /** Services of which some source claims this host (lower case). */
  claimants(host: string): readonly string[] {
    const services = this.claims.get(host);
    return services === undefined ? [] : [...services];
  }

  private add(name: string): void {
    this.known.add(name);
    this.names = undefined;
  }

  private remove(name: string): void {
    this.known.delete(name);
    this.names = undefined;
  }

  private claim(host: string, name: string): void {
    const services = this.claims.get(host);
    if (services === undefined) this.claims.set(host, new Set([name]));
    else services.add(name);
  }

  private unclaim(host: string, name: string): void {
    const services = this.claims.get(host);
    services?.delete(name);
    if (services?.size === 0) this.claims.delete(host);
  }
}
