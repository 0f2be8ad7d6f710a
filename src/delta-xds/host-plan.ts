/**
 * Which virtual hosts go out together.
 *
 * Envoy refuses a response after which two virtual hosts of a route configuration share a domain, and answers 404 between the loss of a
 * domain and its return. So whatever gains or loses a domain pulls the other side in, and both are bound to one response (an atom).
 */
import { resolveAgain } from './change.ts';
import type { Channel } from './channel.ts';
import { type Generation, splitVirtualHostName, virtualHostName } from './generation.ts';
import type { ResourceBody } from './resource-source.ts';
import type { SessionState } from './session-state.ts';
import { GONE, type Shape, sameList } from './shapes.ts';

export interface Addition {
  readonly name: string;
  readonly body: ResourceBody;
  readonly prefix: string;
  /** Aliases for names asked for that are no domains (a wildcard domain answers them). */
  readonly extra: string[];
}

type Outcome = 'added' | 'removed' | 'same';

export class HostPlan {
  readonly additions = new Map<string, Addition>();
  readonly removals = new Set<string>();
  /** Questions answered "does not exist". */
  readonly negatives = new Set<string>();
  /** Question -> virtual host that answers it. */
  readonly answers = new Map<string, string>();
  /** Clusters of the additions. */
  readonly clusters = new Set<string>();
  /** Given up in this plan: a domain of theirs is not free. */
  readonly #barred = new Set<string>();
  readonly #atoms = new Map<string, number>();
  #nextAtom = 0;
  readonly #s: SessionState;
  readonly #channel: Channel;

  constructor(s: SessionState, channel: Channel) {
    this.#s = s;
    this.#channel = channel;
  }

  get empty(): boolean {
    return this.additions.size === 0 && this.removals.size === 0 && this.negatives.size === 0;
  }

  atomOf(name: string): number {
    let atom = this.#atoms.get(name);
    if (atom === undefined) {
      atom = this.#nextAtom++;
      this.#atoms.set(name, atom);
    }
    return atom;
  }

  #link(a: string, b: string): void {
    const [from, to] = [this.atomOf(a), this.atomOf(b)];
    if (from !== to) for (const [name, atom] of this.#atoms) if (atom === from) this.#atoms.set(name, to);
  }

  /** A name of the form `<route configuration>/<service port>` whose state may have changed. */
  compare(name: string): void {
    const split = splitVirtualHostName(name);
    const generation = split === undefined ? undefined : this.#s.demand.generations.get(split.routeConfiguration);
    if (split === undefined || generation === undefined || this.#compare(generation, split.rest) === 'same')
      this.#channel.settled(name);
  }

  #compare(generation: Generation, servicePort: string): Outcome {
    const { view, shapes, demand } = this.#s;
    const name = virtualHostName(shapes, generation.routeConfiguration, servicePort);
    if (this.additions.has(name)) return 'added';
    if (this.removals.has(name)) return 'removed';
    if (this.#barred.has(name)) return 'same';
    const { ledger, subscription } = this.#channel;
    const held = ledger.versionOf(name);
    const wanted = demand.wants(generation, servicePort, subscription.wildcard);
    const body = wanted ? view.get('vhds', servicePort) : undefined;
    if (body === undefined) {
      if (held === undefined) return 'same';
      this.removals.add(name);
      return 'removed';
    }
    if (held === body.version) ledger.recognise(name, shapes, body);
    if (held === body.version || this.#isParked(name, body.version)) return 'same';
    this.#add(generation, name, body);
    return 'added';
  }

  /** Refused, and with it everything that it was refused with is as it was. */
  #isParked(name: string, version: string): boolean {
    const { parked } = this.#channel.ledger;
    if (!parked.has(name, version)) return false;
    const { view, demand } = this.#s;
    const versionOf = (other: string): string => {
      const split = splitVirtualHostName(other);
      const its = split === undefined ? undefined : demand.generations.get(split.routeConfiguration);
      if (split === undefined || its === undefined) return '';
      const isWanted = demand.wants(its, split.rest, this.#channel.subscription.wildcard);
      return (isWanted ? view.get('vhds', split.rest)?.version : undefined) ?? '';
    };
    if (!parked.hasOtherCompany(name, version, versionOf)) return true;
    parked.forgive(name, version);
    return false;
  }

  #add(generation: Generation, name: string, body: ResourceBody): Addition {
    const known = this.additions.get(name);
    if (known !== undefined) return known;
    const made = { name, body, prefix: `${generation.routeConfiguration}/`, extra: [] };
    this.additions.set(name, made);
    return made;
  }

  /** An on-demand question, as asked. It gets a virtual host or a negative answer, never silence. */
  answer(question: string): void {
    const { view, shapes, demand } = this.#s;
    const split = splitVirtualHostName(question);
    const generation = split === undefined ? undefined : demand.generations.get(split.routeConfiguration);
    const known = split === undefined ? undefined : generation?.hosts.get(split.rest);
    // A question may have waited: what it meant when it was asked is not what it means now.
    const servicePort =
      split === undefined || generation === undefined || known === undefined
        ? undefined
        : resolveAgain(this.#s, generation, split.rest, known);
    const body = servicePort === undefined || servicePort === '' ? undefined : view.get('vhds', servicePort);
    if (generation !== undefined && servicePort !== undefined && split !== undefined && body !== undefined) {
      const name = virtualHostName(shapes, generation.routeConfiguration, servicePort);
      if (!this.#isParked(name, body.version)) {
        const addition = this.#add(generation, name, body);
        if (body.domains?.includes(split.rest) !== true) addition.extra.push(question);
        this.answers.set(question, name);
        return;
      }
    }
    this.negatives.add(question);
    // Should the client have a virtual host of this very name, its removal goes first: a negative answer would not replace it.
    if (this.#channel.ledger.versionOf(question) !== undefined) this.compare(question);
  }

  /** Completes the plan: everything bound to what is in it, and the clusters that must go ahead. */
  complete(): void {
    for (const generation of this.#s.demand.generations.values()) while (this.#bind(generation));
    for (const { body, name } of this.additions.values()) {
      const servicePort = splitVirtualHostName(name)?.rest ?? '';
      for (const cluster of body.clusters ?? this.#s.view.clustersOf(servicePort)) this.clusters.add(cluster);
    }
  }

  /** One look at domains gained and lost under one route configuration; true: the plan has changed, look again. */
  #bind(generation: Generation): boolean {
    const { ledger } = this.#channel;
    const prefix = `${generation.routeConfiguration}/`;
    const gained = new Map<string, string>();
    const lost: [domain: string, loser: string][] = [];
    for (const addition of this.additions.values()) {
      if (addition.prefix !== prefix) continue;
      const before = ledger.held.get(addition.name)?.sent.domains ?? [];
      const after = addition.body.domains ?? [];
      if (sameList(before, after)) continue;
      for (const domain of after) {
        if (before.includes(domain)) continue;
        const other = gained.get(domain);
        if (other !== undefined) return this.#giveUp(addition.name);
        gained.set(domain, addition.name);
      }
      for (const domain of before) if (!after.includes(domain)) lost.push([domain, addition.name]);
    }
    for (const name of this.removals)
      if (name.startsWith(prefix))
        for (const domain of ledger.held.get(name)?.sent.domains ?? []) lost.push([domain, name]);
    return (
      (gained.size > 0 && this.#takeFromLosers(generation, prefix, gained)) ||
      this.#giveToWinners(generation, gained, lost)
    );
  }

  #takeFromLosers(generation: Generation, prefix: string, gained: ReadonlyMap<string, string>): boolean {
    let grew = false;
    const { ledger } = this.#channel;
    for (const [name, { sent }] of ledger.held) {
      if (!name.startsWith(prefix)) continue;
      for (const domain of sent.domains ?? []) {
        const winner = gained.get(domain);
        if (winner === undefined || winner === name) continue;
        if (!this.additions.has(name) && !this.removals.has(name)) {
          if (this.#compare(generation, name.slice(prefix.length)) === 'same') return this.#giveUp(winner);
          grew = true;
        }
        // The loser keeps it by the newest state too.
        if (this.additions.get(name)?.body.domains?.includes(domain)) return this.#giveUp(winner);
        this.#link(name, winner);
      }
    }
    for (const [name, shape] of ledger.alternatives()) {
      const sent = ledger.held.get(name)?.sent;
      if (sent === undefined || !name.startsWith(prefix)) continue;
      for (const domain of shape.domains ?? []) {
        const winner = gained.get(domain);
        if (winner === undefined || winner === name || sent.domains?.includes(domain)) continue;
        grew = this.#repeat(generation, name, sent) || grew;
        this.#link(name, winner);
      }
    }
    return grew;
  }

  /**
   * A loser has given its domain up in a response still on its way. Should that one be refused, the winner's would be too, though it
   * is blameless: so the loser goes along once more. True: it was not in the plan yet.
   */
  #repeat(generation: Generation, name: string, sent: Shape): boolean {
    if (this.additions.has(name) || this.removals.has(name)) return false;
    const servicePort = name.slice(generation.routeConfiguration.length + 1);
    if (this.#compare(generation, servicePort) !== 'same') return true;
    const body = this.#s.view.get('vhds', servicePort);
    if (sent === GONE) this.removals.add(name);
    else if (body?.version === sent.version) this.#add(generation, name, body);
    else return false;
    return true;
  }

  #giveToWinners(
    generation: Generation,
    gained: ReadonlyMap<string, string>,
    lost: readonly (readonly [domain: string, loser: string])[],
  ): boolean {
    const { view, shapes, demand } = this.#s;
    let grew = false;
    for (const [domain, loser] of lost) {
      if (gained.has(domain)) continue;
      const servicePort = view.resolveHost(domain);
      if (servicePort === undefined || !demand.wants(generation, servicePort, this.#channel.subscription.wildcard))
        continue;
      const winner = virtualHostName(shapes, generation.routeConfiguration, servicePort);
      if (winner === loser || this.additions.has(winner) || this.#compare(generation, servicePort) !== 'added')
        continue;
      this.#link(loser, winner);
      grew = true;
    }
    return grew;
  }

  /** A domain has two owners, or its loser may not be sent: the winner waits (it stays dirty), a question gets its answer. */
  #giveUp(name: string): true {
    this.#s.counters.domainConflicts++;
    this.additions.delete(name);
    this.#barred.add(name);
    this.#channel.dirty.add(name);
    for (const [question, answer] of this.answers)
      if (answer === name) {
        this.answers.delete(question);
        this.negatives.add(question);
      }
    return true;
  }
}
