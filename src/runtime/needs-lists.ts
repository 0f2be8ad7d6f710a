/**
 * The lists of all wishes of this process's nodes (`NeedsList`), kept up with the journal.
 *
 * Cost: the first wish reads every service once; after that a changed service costs each list one look at that service. Without a wish
 * there is nothing. Bound: `MAX_LISTS`; at the bound the list goes that was used longest ago, and after `MAX_IDLE` changes that no node
 * asked about, its own: who still wants it makes it anew. Callers of a list that went at the bound are kept, each once, until the next
 * change of a service, and are told of that one, as nothing says any more whether it concerns them.
 */
import type { ChangeSet } from '../delta-xds/index.ts';
import { compareText, servicePort } from '../model/index.ts';
import type { ReadModel, ServiceRecord } from '../projector/index.ts';
import { type ListedService, type NeedsAsk, NeedsList } from './needs-list.ts';

const MAX_LISTS = 256;
const MAX_IDLE = 256;

const listed = ({ namespace, labels, visibility, ports, name }: ServiceRecord): ListedService => ({
  namespace,
  labels,
  visibility,
  ports: ports.map(({ port }) => servicePort(name, port)).sort(compareText),
});

export class NeedsLists {
  readonly #model: Pick<ReadModel, 'service' | 'eachService'>;
  readonly #lists = new Map<string, NeedsList>();
  /** Of lists that went at the bound. */
  readonly #untold = new Set<string>();
  /** Times that a list was used. */
  readonly #uses = { count: 0 };
  /** Undefined: no node has a wish. */
  #services: Map<string, ListedService> | undefined;

  constructor(model: Pick<ReadModel, 'service' | 'eachService'>) {
    this.#model = model;
  }

  get size(): number {
    return this.#lists.size;
  }

  /** The list of a node; `caller` hears of its changes. */
  of(caller: string, ask: NeedsAsk): NeedsList {
    const key = JSON.stringify([ask.namespace, ask.needs, ask.denied]);
    let list = this.#lists.get(key);
    if (list === undefined) {
      this.#services ??= this.#read();
      if (this.#lists.size >= MAX_LISTS) this.#makeRoom();
      list = new NeedsList(ask, this.#services, this.#uses);
      this.#lists.set(key, list);
    }
    list.callers.add(caller);
    return list;
  }

  /** Takes what changed; gives change keys for the callers whose nodes hold another list now. */
  catchUp({ keys, everything }: ChangeSet): readonly string[] {
    const services = this.#services;
    if (services === undefined) return [];
    if (everything) {
      // All sessions compare all they hold, and ask for their list.
      for (const key of [...this.#lists.keys()]) this.#drop(key);
      this.#services = undefined;
      this.#untold.clear();
      return [];
    }
    const changes: [string, ListedService | undefined][] = [];
    for (const key of keys) {
      if (!key.startsWith('svc|')) continue;
      const name = key.slice('svc|'.length);
      const record = this.#model.service(name);
      const service = record === undefined ? undefined : listed(record);
      if (service === undefined) services.delete(name);
      else services.set(name, service);
      changes.push([name, service]);
    }
    if (changes.length === 0) return [];
    const callers = new Set(this.#untold);
    this.#untold.clear();
    for (const [key, list] of this.#lists) {
      if (!list.apply(changes)) continue;
      for (const caller of list.callers) callers.add(caller);
      if (list.idle > MAX_IDLE) this.#drop(key);
    }
    if (this.#lists.size === 0) this.#services = undefined;
    return [...callers].map((caller) => `caller|${caller}`);
  }

  #read(): Map<string, ListedService> {
    const services = new Map<string, ListedService>();
    for (const record of this.#model.eachService()) services.set(record.name, listed(record));
    return services;
  }

  #makeRoom(): void {
    let oldest: [string, NeedsList] | undefined;
    for (const entry of this.#lists) if (oldest === undefined || entry[1].used < oldest[1].used) oldest = entry;
    if (oldest === undefined) return;
    for (const caller of oldest[1].callers) this.#untold.add(caller);
    this.#drop(oldest[0]);
  }

  #drop(key: string): void {
    const list = this.#lists.get(key);
    if (list === undefined) return;
    list.gone = true;
    this.#lists.delete(key);
  }
}
