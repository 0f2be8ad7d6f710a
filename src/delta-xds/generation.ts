/**
 * One route configuration that the node uses, and the hosts it asked for under its name.
 *
 * A node may use several at a time: after a switch (`outbound` to `outbound~1`) old connections go on asking under the old name until
 * Envoy has drained them and unsubscribes it.
 */
import { NameSet } from './name-set.ts';
import type { SessionState } from './session-state.ts';
import type { SharedShapes } from './shapes.ts';

export class Generation {
  readonly routeConfiguration: string;
  /** Envoy has been told something under this name, so its listener is free to start. */
  primed = false;
  /** Nonce of the response that did, while it is unacknowledged. */
  primedBy = '';
  /** Sent before the client asked for it (a renewal): its own question has not come yet. */
  announced = false;
  /** Asked host, as written -> canonical service port, or '' while nothing answers it. */
  readonly hosts = new Map<string, string>();
  /** Service ports that the client held when the stream began and that nothing else brings. */
  readonly adopted = new NameSet();
  /** Service ports that the client unsubscribed; only a question brings them back. */
  readonly declined = new NameSet();
  /** Names unsubscribed, in full: Envoy remembers them with their versions until it is told that they are gone. */
  readonly dropped = new NameSet();
  readonly #ports = new Map<string, number>();
  #waiting = 0;

  constructor(routeConfiguration: string) {
    this.routeConfiguration = routeConfiguration;
  }

  /** Hosts that nothing answers yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Service ports that asked hosts stand for. */
  get ports(): Iterable<string> {
    return this.#ports.keys();
  }

  asks(servicePort: string): boolean {
    return this.#ports.has(servicePort);
  }

  setHost(host: string, servicePort: string): void {
    this.#release(host);
    this.hosts.set(host, servicePort);
    if (servicePort === '') this.#waiting++;
    else this.#ports.set(servicePort, (this.#ports.get(servicePort) ?? 0) + 1);
  }

  dropHost(host: string): void {
    this.#release(host);
    this.hosts.delete(host);
  }

  #release(host: string): void {
    const servicePort = this.hosts.get(host);
    if (servicePort === undefined) return;
    if (servicePort === '') {
      this.#waiting--;
      return;
    }
    const count = this.#ports.get(servicePort) ?? 0;
    if (count > 1) this.#ports.set(servicePort, count - 1);
    else this.#ports.delete(servicePort);
  }
}

/** `<route configuration>/<host or service port>`. */
export const virtualHostName = (shapes: SharedShapes, routeConfiguration: string, rest: string): string =>
  shapes.text(`${routeConfiguration}/${rest}`);

/** Splits a VHDS name at its first slash; undefined: no VHDS name. */
export const splitVirtualHostName = (
  name: string,
): { readonly routeConfiguration: string; readonly rest: string } | undefined => {
  const slash = name.indexOf('/');
  if (slash <= 0 || slash === name.length - 1) return undefined;
  return { routeConfiguration: name.slice(0, slash), rest: name.slice(slash + 1) };
};

/**
 * The client has drained the last listener of this route configuration: all under its name is gone. It has unsubscribed the names, and
 * drops what they stand for, but not their versions, for the wildcard might have them: so it is told that it has not (checklist 11).
 */
export const endGeneration = (s: SessionState, routeConfiguration: string): void => {
  const generation = s.demand.generations.get(routeConfiguration);
  if (generation === undefined) return;
  s.demand.generations.delete(routeConfiguration);
  const hosts = s.channels.get('vhds');
  const prefix = `${routeConfiguration}/`;
  if (hosts?.subscription.wildcard === true) hosts.absent.addAll(generation.dropped.all);
  for (const name of [...(hosts?.ledger.held.keys() ?? [])])
    if (name.startsWith(prefix)) {
      if (hosts?.subscription.wildcard === true) hosts.absent.add(name);
      hosts?.ledger.forget(name);
      hosts?.settled(name);
    }
  for (const question of [...(hosts?.questions.all ?? [])])
    if (question.startsWith(prefix)) hosts?.questions.delete(question);
  s.sweep.all();
  s.interestStale = true;
  s.current.look = true;
};
