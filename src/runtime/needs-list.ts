/**
 * The service ports of one wish: every one that callers of a namespace may see, that is not denied, and that fits. All nodes with the
 * same wish share it.
 *
 * A list of twenty thousand is compared with the one before by nobody: each array knows what came and went with the next one.
 */
import type { PreloadStep } from '../delta-xds/index.ts';
import { isVisible } from '../dependency-graph/index.ts';
import { compareText, type Visibility } from '../model/index.ts';
import { fits, type NeededService, type Needs } from './node-needs.ts';

/** A registered service, as far as a wish looks at it. */
export interface ListedService extends NeededService {
  readonly visibility: Visibility;
  /** Canonical service ports, sorted. */
  readonly ports: readonly string[];
}

export interface NeedsAsk {
  /** Of the node's caller. */
  readonly namespace: string;
  /** Of its caller record: services, and service ports. */
  readonly denied: readonly string[];
  readonly needs: Needs;
}

const NONE: readonly string[] = [];
/** Steps walked between two arrays; beyond, comparing them is no dearer. */
const MAX_STEPS = 256;

const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, at) => name === b[at]);

/** Where a name belongs in a sorted list. */
const placeOf = (names: readonly string[], name: string): number => {
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareText(names[middle] ?? '', name) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** Few changes: a copy with them worked in; many: sorted anew. */
const changed = (names: readonly string[], { came, went }: PreloadStep): string[] => {
  const gone = went.length === 0 ? undefined : new Set(went);
  const after = gone === undefined ? [...names] : names.filter((name) => !gone.has(name));
  if (came.length > 64) return [...after, ...came].sort(compareText);
  for (const name of came) after.splice(placeOf(after, name), 0, name);
  return after;
};

export class NeedsList {
  readonly #ask: NeedsAsk;
  readonly #denied: ReadonlySet<string>;
  /** Service -> its ports in the list. */
  readonly #members = new Map<string, readonly string[]>();
  #names: readonly string[];
  /** From each array to the next one. */
  readonly #steps = new WeakMap<readonly string[], PreloadStep & { readonly next: readonly string[] }>();
  /** Unions with the edges of a caller, by its list of edges. */
  readonly #unions = new WeakMap<
    readonly string[],
    { readonly of: readonly string[]; readonly names: readonly string[] }
  >();
  /** Callers whose nodes asked for it. */
  readonly callers = new Set<string>();
  /** Changes since a node last asked. */
  idle = 0;
  /** No longer kept up: to be asked for again. */
  gone = false;
  readonly #uses: { count: number };
  #used: number;

  /** `uses`: times that any of the lists was used; each use counts it up. */
  constructor(ask: NeedsAsk, services: ReadonlyMap<string, ListedService>, uses: { count: number }) {
    this.#ask = ask;
    this.#uses = uses;
    this.#used = ++uses.count;
    this.#denied = new Set(ask.denied);
    const names: string[] = [];
    for (const [name, service] of services) {
      const ports = this.#portsOf(name, service);
      if (ports.length === 0) continue;
      this.#members.set(name, ports);
      names.push(...ports);
    }
    this.#names = names.sort(compareText);
  }

  /** Sorted; the same array while nothing changed. */
  get names(): readonly string[] {
    this.idle = 0;
    this.#used = ++this.#uses.count;
    return this.#names;
  }

  /** Its last use, in uses of all lists: the smaller, the longer ago. */
  get used(): number {
    return this.#used;
  }

  has(servicePort: string): boolean {
    return this.#members.get(servicePort.slice(0, servicePort.lastIndexOf(':')))?.includes(servicePort) ?? false;
  }

  /** The list and the edges of a caller, sorted; the same array while neither changed. */
  with(edges: readonly string[]): readonly string[] {
    const { names } = this;
    const known = this.#unions.get(edges);
    if (known?.of === names) return known.names;
    const more = edges.filter((name) => !this.has(name));
    const union = more.length === 0 ? names : changed(names, { came: more, went: NONE });
    this.#unions.set(edges, { of: names, names: union });
    return union;
  }

  /** What differs between two of its arrays, when they are not far from each other. */
  step(before: readonly string[], after: readonly string[]): PreloadStep | undefined {
    const first = this.#steps.get(before);
    if (first?.next === after) return first;
    const came = new Set<string>();
    const went = new Set<string>();
    let at = before;
    for (let count = 0; at !== after; count++) {
      const step = this.#steps.get(at);
      if (step === undefined || count === MAX_STEPS) return undefined;
      for (const name of step.came) if (!went.delete(name)) came.add(name);
      for (const name of step.went) if (!came.delete(name)) went.add(name);
      at = step.next;
    }
    return { came: [...came], went: [...went] };
  }

  /** These services changed, undefined: are gone. True: the list did too. */
  apply(services: Iterable<readonly [name: string, service: ListedService | undefined]>): boolean {
    const came: string[] = [];
    const went: string[] = [];
    for (const [name, service] of services) {
      const before = this.#members.get(name) ?? NONE;
      const after = service === undefined ? NONE : this.#portsOf(name, service);
      if (sameNames(before, after)) continue;
      if (after.length === 0) this.#members.delete(name);
      else this.#members.set(name, after);
      for (const port of after) if (!before.includes(port)) came.push(port);
      for (const port of before) if (!after.includes(port)) went.push(port);
    }
    if (came.length + went.length === 0) return false;
    const next = changed(this.#names, { came, went });
    this.#steps.set(this.#names, { came, went, next });
    this.#names = next;
    this.idle++;
    return true;
  }

  #portsOf(name: string, service: ListedService): readonly string[] {
    const { namespace, needs } = this.#ask;
    if (!fits(needs, service) || !isVisible(service.visibility, service.namespace, namespace)) return NONE;
    if (this.#denied.size === 0) return service.ports;
    if (this.#denied.has(name)) return NONE;
    return service.ports.filter((port) => !this.#denied.has(port));
  }
}
