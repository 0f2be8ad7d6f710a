/** The other replicas of the log, as this process knows them: met and forgotten as folded, and what each said last. Effects only. */
import type { MembershipOptions } from './membership.ts';
import { PeerClient, type ReplicaStatement } from './peer-client.ts';

export interface Peer {
  readonly admin: string;
  readonly client: Pick<PeerClient, 'statement' | 'ask'>;
  /** When it was last heard, or first known. */
  heardAt: number;
  statement: ReplicaStatement | undefined;
  /** Why it did not answer the last time. */
  error: string | undefined;
}

export interface PeersOptions extends Pick<MembershipOptions, 'self' | 'state' | 'monotonic' | 'logger'> {
  readonly mesh: string;
  readonly peer?: (admin: string) => Peer['client'];
  /** Ends all questions. */
  readonly signal: AbortSignal;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #byId = new Map<string, Peer>();
  /** Looks that had no answer. */
  unanswered = 0;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  get(id: string): Peer | undefined {
    return this.#byId.get(id);
  }

  [Symbol.iterator](): IterableIterator<[string, Peer]> {
    return this.#byId.entries();
  }

  /** As folded: new ones are met, those that left are forgotten. */
  meet(): void {
    const { self, state, peer, monotonic, signal } = this.#options;
    const listed = state.replicas().filter(({ id }) => id !== self);
    for (const { id, admin } of listed) {
      if (this.#byId.get(id)?.admin === admin) continue;
      const client = peer === undefined ? new PeerClient(admin, signal) : peer(admin);
      this.#byId.set(id, { admin, client, heardAt: monotonic(), statement: undefined, error: undefined });
    }
    const ids = new Set(listed.map(({ id }) => id));
    for (const id of this.#byId.keys()) if (!ids.has(id)) this.#byId.delete(id);
  }

  /** Asks everybody how they are. Never rejects. */
  async look(): Promise<void> {
    await Promise.all([...this.#byId].map(([id, peer]) => this.#look(id, peer)));
  }

  async #look(id: string, peer: Peer): Promise<void> {
    const { self, mesh, monotonic, logger } = this.#options;
    try {
      const statement = await peer.client.statement();
      if (statement.id === self)
        throw new Error('this replica itself answers there: give each one an --advertise that the others reach');
      if (statement.id !== id) throw new Error(`replica ${statement.id} answers there`);
      if (statement.mesh !== mesh) throw new Error(`it serves mesh ${statement.mesh}`);
      if (peer.error !== undefined) logger.info({ replica: id }, 'a replica is heard again');
      peer.statement = statement;
      peer.error = undefined;
      peer.heardAt = monotonic();
    } catch (error) {
      this.unanswered++;
      const why = error instanceof Error ? error.message : String(error);
      if (peer.error === undefined) logger.warn({ replica: id, admin: peer.admin, why }, 'a replica does not answer');
      peer.error = why;
    }
  }
}
