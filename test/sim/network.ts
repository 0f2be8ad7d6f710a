/**
 * Simulated connections between processes.
 *
 * Invariants
 * N1 Messages of one direction arrive in order, each once; between two directions, or two connections, any order may come out.
 * N2 While a link is cut nothing arrives; what is on its way waits, as TCP would have it.
 * N3 A connection ends when one of its processes dies or closes it, or by a reset. What has not arrived is lost; the other end hears of
 *    it later.
 */
import type { Choices } from './choices.ts';
import type { Owner, Scheduler } from './scheduler.ts';

export interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly choices: Choices;
}

/** Most ms that a message takes on a good day, and on a bad one. */
const USUAL_MS = 3;
const SLOW_MS = 60;

interface Message {
  readonly at: number;
  readonly run: () => void;
}

/** One end: what is said here arrives at the other. */
export class End {
  readonly owner: Owner;
  /** Called once when the connection has ended, unless this end closed it. */
  onClose: (() => void) | undefined;
  readonly #connection: Connection;
  readonly #queue: Message[] = [];
  #readyAt = 0;
  #planned = false;
  other!: End;

  constructor(owner: Owner, connection: Connection) {
    this.owner = owner;
    this.#connection = connection;
  }

  get open(): boolean {
    return this.#connection.open;
  }

  /** Runs a function at the other end when the message is there. */
  send(run: () => void): void {
    if (!this.open) return;
    const { scheduler } = this.#connection.network;
    this.#readyAt = Math.max(this.#readyAt, scheduler.now + this.#connection.network.delay());
    this.#queue.push({ at: this.#readyAt, run });
    this.#plan();
  }

  close(): void {
    this.onClose = undefined;
    this.#connection.end();
  }

  /** The link is back. */
  resume(): void {
    this.#plan();
  }

  #plan(): void {
    const [message] = this.#queue;
    if (message === undefined || this.#planned || this.#connection.isCut) return;
    this.#planned = true;
    const { scheduler } = this.#connection.network;
    scheduler.after(message.at - scheduler.now, this.other.owner, () => this.#arrive());
  }

  #arrive(): void {
    this.#planned = false;
    if (!this.open || this.#connection.isCut) return;
    const message = this.#queue.shift();
    this.#plan();
    message?.run();
  }
}

export class Connection {
  readonly network: Network;
  readonly link: string;
  readonly a: End;
  readonly b: End;
  open = true;

  constructor(network: Network, link: string, a: Owner, b: Owner) {
    this.network = network;
    this.link = link;
    this.a = new End(a, this);
    this.b = new End(b, this);
    this.a.other = this.b;
    this.b.other = this.a;
  }

  get isCut(): boolean {
    return this.network.cut.has(this.link);
  }

  /** N3 */
  end(): void {
    if (!this.open) return;
    this.open = false;
    this.network.forget(this);
    const { scheduler } = this.network;
    for (const end of [this.a, this.b]) scheduler.after(this.network.delay(), end.owner, () => end.onClose?.());
  }
}

export class Network {
  readonly scheduler: Scheduler;
  readonly #choices: Choices;
  readonly #connections = new Set<Connection>();
  /** Links that are cut now. */
  readonly cut = new Set<string>();
  /** Percent of messages that are slow. */
  slowPercent = 0;

  constructor({ scheduler, choices }: NetworkOptions) {
    this.scheduler = scheduler;
    this.#choices = choices;
  }

  delay(): number {
    const most = this.slowPercent > 0 && this.#choices.chance(this.slowPercent) ? SLOW_MS : USUAL_MS;
    return this.#choices.fraction() * most;
  }

  connect(link: string, a: Owner, b: Owner): Connection {
    const connection = new Connection(this, link, a, b);
    this.#connections.add(connection);
    return connection;
  }

  get links(): readonly string[] {
    return [...new Set([...this.#connections].map(({ link }) => link))];
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection);
  }

  /** Ends all connections of a process that has died. */
  died(owner: Owner): void {
    for (const connection of [...this.#connections])
      if (connection.a.owner === owner || connection.b.owner === owner) connection.end();
  }

  /** Ends the connections of a link. */
  reset(link: string): void {
    for (const connection of [...this.#connections]) if (connection.link === link) connection.end();
  }

  heal(link: string): void {
    if (!this.cut.delete(link)) return;
    for (const connection of this.#connections)
      if (connection.link === link) {
        connection.a.resume();
        connection.b.resume();
      }
  }
}
