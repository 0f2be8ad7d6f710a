/**
 * All sessions of a process, and the way of a change to them.
 *
 * - `wake`: the source is asked for what changed; every session concerned gets the keys when its turn comes, `SLICE` sessions per turn
 *   of the event loop. Ten changes of one key before that turn are one.
 * - A request is handled at once, before any broadcast in line: first the source is caught up with and the session told what it has in
 *   line, so an answer is never newer than what its session knows (a domain that moved is taken from its loser in the same response).
 *   A flood of requests gets a share of each turn (`RequestLine`); bare ACKs wait until a broadcast is out (`AckLine`).
 * - One alarm for all (`Alarm`).
 *
 * Bounds: per session one place in line; the keys kept for it are shared lists, and beyond `MAX_ITEMS` become "compare everything".
 */
import { AckLine } from './ack-line.ts';
import { Alarm } from './alarm.ts';
import { Allowance } from './allowance.ts';
import type { ChangeItem } from './change.ts';
import { noticesOf } from './change.ts';
import type { Effect } from './effect.ts';
import { type Member, notePending, type StreamPort } from './hub-member.ts';
import { InterestIndex } from './interest-index.ts';
import { RequestLine } from './request-line.ts';
import type { NodeView, ResourceSource, XdsProtocol } from './resource-source.ts';
import type { ResourceType } from './resource-type.ts';
import { Session } from './session.ts';
import type { SessionOptions } from './session-state.ts';
import type { SharedShapes } from './shapes.ts';
import { SotwSession } from './sotw/sotw-session.ts';
import type { XdsRequest } from './stream-session.ts';

/** Sessions served per turn of the event loop: some milliseconds. What they write goes out at the end of the turn. */
const SLICE = 256;
/** Change items in line for one session. */
const MAX_ITEMS = 4_096;

export interface HubOptions {
  readonly source: ResourceSource;
  readonly shapes: SharedShapes;
  /** Everything of a session's options that is the same for all. */
  readonly session: Pick<SessionOptions, 'limits' | 'counters' | 'renewal' | 'portion'>;
  /** ms, monotonic. */
  readonly clock: () => number;
  /** Runs a function in a later turn of the event loop. */
  readonly later: (run: () => void) => void;
  /** Runs a function after so many ms; returns how to call it off. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** A text unlike that of any other stream of the mesh. */
  readonly tag: () => string;
}

export class Hub {
  readonly #options: HubOptions;
  readonly #placeholder: SessionOptions['placeholder'];
  readonly #index = new InterestIndex<Member>();
  readonly #alarm: Alarm<Member>;
  /** What streams have read. */
  readonly requests: RequestLine;
  readonly #acks = new AckLine<Member>();
  /** By node. */
  readonly #allowances = new Map<string, Allowance>();
  #line: Member[] = [];
  #lineAt = 0;
  /** Members put in line, and served, since the start. */
  #entered = 0;
  #served = 0;
  #turning = false;
  #epoch = 0;
  #wakeWaits: { readonly upTo: number; readonly done: () => void }[] = [];
  /** Counters. */
  readonly counters = { wakes: 0, keys: 0, notices: 0, broadcasts: 0, collapsed: 0, joined: 0 };

  constructor(options: HubOptions) {
    this.#options = options;
    const { clock, after } = options;
    this.#alarm = new Alarm({ clock, after, ring: (member, now) => this.#ring(member, now) });
    this.#placeholder = (type, name) => options.source.placeholder(type, name);
    this.requests = new RequestLine(options.clock, options.later);
  }

  get size(): number {
    return this.#index.size;
  }

  /** Nodes that have a session. */
  get nodes(): number {
    return this.#index.nodes;
  }

  get members(): ReadonlySet<Member> {
    return this.#index.all;
  }

  /** ACKs that waited for the end of a broadcast, since the start. */
  get acksDeferred(): number {
    return this.#acks.deferred;
  }

  /** Sessions in line for a broadcast. */
  get waiting(): number {
    return this.#line.length - this.#lineAt;
  }

  join(view: NodeView, port: StreamPort, protocol: XdsProtocol = 'delta', only?: ResourceType): Member {
    const { shapes, session, tag } = this.#options;
    const options: SessionOptions = {
      allowance: this.#allowanceOf(view.facts.id),
      view,
      shapes,
      placeholder: this.#placeholder,
      ...session,
      tag: tag(),
      waitingBeside: () => this.#waitingBeside(member),
      only,
    };
    const member: Member = {
      session: protocol === 'delta' ? new Session(options) : new SotwSession(options),
      port,
      pending: undefined,
      acks: undefined,
      joined: true,
    };
    const { nodes } = this.#index;
    this.#index.join(member, view.facts);
    // A node counts once, however many streams it has.
    if (this.#index.nodes > nodes) this.counters.joined++;
    return member;
  }

  leave(member: Member): void {
    if (!member.joined) return;
    member.joined = false;
    this.#index.leave(member, member.session.facts, member.session.subjects);
    this.#alarm.cancel(member);
    const { id } = member.session.facts;
    const allowance = this.#allowances.get(id);
    if (allowance !== undefined && --allowance.streams === 0) this.#allowances.delete(id);
  }

  #allowanceOf(node: string): Allowance {
    const { unknownPerSecond, unknownNames } = this.#options.session.limits;
    let allowance = this.#allowances.get(node);
    if (allowance === undefined) {
      allowance = new Allowance(unknownPerSecond, unknownNames, this.#options.clock());
      this.#allowances.set(node, allowance);
    }
    allowance.streams++;
    return allowance;
  }

  /** Unknown hosts that the other streams of its node remember. */
  #waitingBeside(member: Member): number {
    let waiting = 0;
    for (const other of this.#index.of({ by: 'node', name: member.session.facts.id }))
      if (other !== member) waiting += other.session.waiting;
    return waiting;
  }

  request(member: Member, request: XdsRequest): void {
    if (!member.joined) return;
    const asks = member.session.asks(request);
    const bare = !asks && request.errorDetail === undefined;
    if (bare && this.waiting > 0 && this.#acks.put(member, request, this.#options.clock())) return;
    if (member.acks !== undefined) this.#takeAcksOf(member);
    this.#guard(member, () => {
      if (asks) this.#catchUp();
      notePending(member);
      return member.session.onRequest(request, this.#options.clock());
    });
  }

  /** Runs a function at a time of the hub's clock. */
  at(time: number, run: () => void): void {
    this.#options.after(Math.max(0, time - this.#options.clock()), run);
  }

  hold(member: Member): void {
    member.session.hold();
  }

  drained(member: Member): void {
    if (!member.joined) return;
    this.#guard(member, () => {
      notePending(member);
      return member.session.onDrained(this.#options.clock());
    });
  }

  /** Takes the newest state; resolves with its epoch when every session concerned has been told. */
  async wake(): Promise<number> {
    this.counters.wakes++;
    this.#catchUp();
    const epoch = this.#epoch;
    if (this.waiting > 0)
      await new Promise<void>((done) => {
        this.#wakeWaits.push({ upTo: this.#entered, done });
      });
    return epoch;
  }

  #catchUp(): void {
    const { source, shapes } = this.#options;
    const { epoch, keys, everything } = source.catchUp();
    this.#epoch = epoch;
    this.counters.keys += keys.length;
    if (everything) {
      for (const member of this.#index.all) this.#enter(member, [{ kind: 'everything' }]);
      return;
    }
    if (keys.length === 0) return;
    // Notices are grouped first: a commit that touches one subject twenty times costs each of its sessions one list.
    const groups = new Map<string, { readonly members: Iterable<Member>; readonly items: ChangeItem[] }>();
    const known = new Set<string>();
    for (const key of keys)
      for (const { audience, item } of noticesOf(key, (name) => shapes.subjectOf(name))) {
        const group = 'name' in audience ? `${audience.by} ${audience.name}` : audience.by;
        const id = `${group}|${item.kind}|${'type' in item ? item.type : ''}|${'name' in item ? item.name : ''}`;
        if (known.has(id)) continue;
        known.add(id);
        const entry = groups.get(group);
        if (entry === undefined) groups.set(group, { members: this.#index.of(audience), items: [item] });
        else entry.items.push(item);
      }
    for (const { members, items } of groups.values()) for (const member of members) this.#enter(member, items);
  }

  #enter(member: Member, items: readonly ChangeItem[]): void {
    this.counters.notices++;
    if (member.pending === undefined) {
      member.pending = items;
      this.#line.push(member);
      this.#entered++;
      this.#turn();
    } else if (member.pending.length + items.length > MAX_ITEMS) {
      member.pending = [{ kind: 'everything' }];
      this.counters.collapsed++;
    } else member.pending = [...member.pending, ...items];
  }

  #turn(): void {
    if (this.#turning) return;
    this.#turning = true;
    this.#options.later(() => this.#slice());
  }

  #slice(): void {
    this.#turning = false;
    const now = this.#options.clock();
    for (let count = 0; count < SLICE && this.#lineAt < this.#line.length; this.#lineAt++) {
      const member = this.#line[this.#lineAt];
      this.#served++;
      if (member?.pending === undefined) continue;
      const items = member.pending;
      member.pending = undefined;
      if (!member.joined) continue;
      count++;
      this.counters.broadcasts++;
      // As #guard, without a function for each of ten thousand members.
      try {
        this.#apply(member, member.session.onChange(items, now));
      } catch (error) {
        member.port.fail(error);
      }
    }
    if (this.#lineAt >= this.#line.length || this.#acks.isDue(now)) this.#takeAcks();
    if (this.#acks.size > 0) this.#turn();
    if (this.#lineAt >= this.#line.length) {
      this.#line = [];
      this.#lineAt = 0;
    } else {
      // Under a steady flow the line never empties: what has been served is cut off.
      if (this.#lineAt > MAX_ITEMS) {
        this.#line.splice(0, this.#lineAt);
        this.#lineAt = 0;
      }
      this.#turn();
    }
    while (this.#wakeWaits[0] !== undefined && this.#wakeWaits[0].upTo <= this.#served) this.#wakeWaits.shift()?.done();
  }

  /** As many owners as a slice has sessions. */
  #takeAcks(): void {
    for (let count = 0; count < SLICE && this.#acks.size > 0; count++) {
      const member = this.#acks.next();
      if (member?.acks !== undefined) this.#takeAcksOf(member);
    }
  }

  #takeAcksOf(member: Member): void {
    const { acks } = member;
    member.acks = undefined;
    for (const request of acks ?? [])
      if (member.joined)
        this.#guard(member, () => {
          notePending(member);
          return member.session.onRequest(request, this.#options.clock());
        });
  }

  /** A defect in one session ends its stream and no other. */
  #guard(member: Member, run: () => readonly Effect[]): void {
    try {
      this.#apply(member, run());
    } catch (error) {
      member.port.fail(error);
    }
  }

  #apply(member: Member, effects: readonly Effect[]): void {
    // Before anything is sent: a change that comes meanwhile must find it.
    for (const effect of effects)
      if (effect.kind === 'interest') {
        for (const subject of effect.dropped) this.#index.drop(member, subject);
        for (const subject of effect.added) this.#index.add(member, subject);
        this.#index.wait(member, effect.waiting);
      }
    for (const effect of effects) {
      // A send may have ended the stream: what it would wait for from here on must not keep it.
      if (!member.joined) return;
      if (effect.kind === 'timer') this.#alarm.schedule(member, effect.at);
      else if (effect.kind !== 'interest') member.port.execute(effect);
    }
  }

  #ring(member: Member, now: number): void {
    if (!member.joined) return;
    this.#guard(member, () => {
      notePending(member);
      return member.session.onTick(now);
    });
  }

  /** Ends the timers. */
  close(): void {
    this.#alarm.close();
    for (const { done } of this.#wakeWaits) done();
    this.#wakeWaits = [];
  }
}
