/**
 * What was sent to whom and what became of it, gathered for the delivery ledger (design, section 9). A change reaches a thousand nodes in
 * the same words: one group holds them all, so that a step costs two numbers and not an object.
 *
 * Bound: steps that wait to be taken; beyond it the oldest groups go, counted in `dropped`.
 */

/** `removed`: a removal was sent; its acknowledgement is `acked` with an empty version. */
export type DeliveryEvent = 'sent' | 'acked' | 'rejected' | 'removed';

/** One resource version on the wire. */
export interface DeliveredResource {
  /** Short name of the resource type: `cds`, `eds`, `lds`, `rds`, `vhds`, …; a type of no short name: its URL. */
  readonly type: string;
  /** Name on the wire. */
  readonly name: string;
  /** Content hash; `neg-…`: answered as unknown; '' for removals. */
  readonly version: string;
}

/** The same step of the same resource at several nodes. */
export interface DeliveryGroup extends DeliveredResource {
  readonly event: DeliveryEvent;
  /** Bytes of the resource on the wire; 0 unless `sent`. */
  readonly bytes: number;
  /** Offset of the state it was made from; 0 when the server was not told. */
  readonly offset: number;
  /** Of the first of them, ms since the epoch. */
  readonly at: number;
  /** Place of a node in the report's list, ms after `at`; again and again. */
  readonly steps: readonly number[];
  /** `rejected`: the node's error text, at most 1,024 characters. */
  readonly message?: string;
  /** `rejected`: true: this very resource is refused; false: it was in a response of several that was refused as a whole. */
  readonly final?: boolean;
}

export interface DeliveryReport {
  /** Id and `<service>.<namespace>` of the nodes. */
  readonly nodes: readonly (readonly [id: string, caller: string])[];
  readonly groups: readonly DeliveryGroup[];
}

/** Stands for one node of one stream. */
export interface DeliveryNode {
  readonly id: string;
  readonly caller: string;
  /** Its place in the report that is being gathered. */
  place: number;
  report: number;
}

interface Gathering extends Omit<DeliveryGroup, 'steps'> {
  readonly steps: number[];
}

const MAX_STEPS = 200_000;
const MAX_MESSAGE = 1_024;

export class DeliveryLog {
  readonly #max: number;
  #report = 0;
  #nodes: [string, string][] = [];
  #groups = new Map<string, Gathering>();
  /** The last group of each event: a broadcast says the same again and again. */
  #last: Partial<Record<DeliveryEvent, Gathering>> = {};
  #steps = 0;
  dropped = 0;

  constructor(max = MAX_STEPS) {
    this.#max = max;
  }

  node(id: string, caller: string): DeliveryNode {
    return { id, caller, place: 0, report: -1 };
  }

  /** `at`: ms since the epoch. */
  note(
    node: DeliveryNode,
    event: 'sent' | 'acked' | 'removed',
    resource: DeliveredResource,
    bytes: number,
    offset: number,
    at: number,
  ): void {
    const { type, name, version } = resource;
    let group = this.#last[event];
    if (
      group === undefined ||
      group.name !== name ||
      group.version !== version ||
      group.type !== type ||
      group.offset !== offset ||
      group.bytes !== bytes
    ) {
      const key = `${event}|${type}|${version}|${offset}|${bytes}|${name}`;
      group = this.#groups.get(key) ?? this.#open(key, { event, type, name, version, bytes, offset, at, steps: [] });
      this.#last[event] = group;
    }
    this.#add(group, node, at);
  }

  reject(
    node: DeliveryNode,
    { type, name, version }: DeliveredResource,
    offset: number,
    at: number,
    words: { readonly message: string; readonly final: boolean },
  ): void {
    const message = words.message.slice(0, MAX_MESSAGE);
    const { final } = words;
    const key = `rejected|${type}|${version}|${offset}|${final}|${name}|${message}`;
    const group =
      this.#groups.get(key) ??
      this.#open(key, { event: 'rejected', type, name, version, bytes: 0, offset, at, steps: [], message, final });
    this.#add(group, node, at);
  }

  #open(key: string, group: Gathering): Gathering {
    this.#groups.set(key, group);
    return group;
  }

  #add(group: Gathering, node: DeliveryNode, at: number): void {
    if (node.report !== this.#report) {
      node.report = this.#report;
      node.place = this.#nodes.length;
      this.#nodes.push([node.id, node.caller]);
    }
    group.steps.push(node.place, at - group.at);
    if (++this.#steps > this.#max) this.#drop();
  }

  #drop(): void {
    for (const [key, { steps }] of this.#groups) {
      if (this.#steps <= this.#max / 2) break;
      this.#groups.delete(key);
      this.#steps -= steps.length / 2;
      this.dropped += steps.length / 2;
    }
    this.#last = {};
    this.#renumber();
  }

  /** Forgets the nodes of which no step is left; those that come again get a new place. */
  #renumber(): void {
    const places = new Map<number, number>();
    for (const { steps } of this.#groups.values())
      for (let at = 0; at < steps.length; at += 2) {
        const old = steps[at] ?? 0;
        const place = places.get(old) ?? places.size;
        places.set(old, place);
        steps[at] = place;
      }
    this.#nodes = [...places.keys()].flatMap((place) => this.#nodes.slice(place, place + 1));
    this.#report++;
  }

  get size(): number {
    return this.#steps;
  }

  /** Hands over everything gathered so far, if there is any. It is kept when `taken` returns false. */
  pass(taken: (report: DeliveryReport) => boolean): void {
    if (this.#steps === 0 || !taken({ nodes: this.#nodes, groups: [...this.#groups.values()] })) return;
    this.#report++;
    this.#nodes = [];
    this.#groups = new Map();
    this.#last = {};
    this.#steps = 0;
  }
}
