/**
 * Namespaces that need a default record of their own (`*.<namespace>`): those with a registered service, with a Dependency
 * document, or named in a service's visibility. In all others `*` says the same.
 */
import type { GraphService } from './types.ts';

export class NamespaceIndex {
  /** Namespace -> why it is known: `svc|<service>`, `sees|<service>`, `doc`. */
  private readonly reasons = new Map<string, Set<string>>();
  /** Service -> namespaces named in its visibility. */
  private readonly visibleTo = new Map<string, readonly string[]>();

  /** Takes in that a service appeared, changed or vanished. Gives the namespaces that came or went with it. */
  touch(name: string, service: GraphService | undefined): string[] {
    const changed: string[] = [];
    const own = name.slice(name.lastIndexOf('.') + 1);
    this.set(own, `svc|${name}`, service !== undefined, changed);
    const visibility = service?.visibility;
    const after = Array.isArray(visibility) ? visibility : [];
    const before = this.visibleTo.get(name) ?? [];
    for (const namespace of before) if (!after.includes(namespace)) this.set(namespace, `sees|${name}`, false, changed);
    for (const namespace of after) this.set(namespace, `sees|${name}`, true, changed);
    if (after.length > 0) this.visibleTo.set(name, after);
    else this.visibleTo.delete(name);
    return changed;
  }

  /** Takes in whether the namespace has Dependency documents of its own. */
  setDocumented(namespace: string, documented: boolean): void {
    this.set(namespace, 'doc', documented, []);
  }

  has(namespace: string): boolean {
    return this.reasons.has(namespace);
  }

  names(): Iterable<string> {
    return this.reasons.keys();
  }

  private set(namespace: string, reason: string, holds: boolean, changed: string[]): void {
    const known = this.reasons.get(namespace);
    if (holds) {
      if (known === undefined) {
        this.reasons.set(namespace, new Set([reason]));
        changed.push(namespace);
      } else known.add(reason);
      return;
    }
    if (known?.delete(reason) === true && known.size === 0) {
      this.reasons.delete(namespace);
      changed.push(namespace);
    }
  }
}
