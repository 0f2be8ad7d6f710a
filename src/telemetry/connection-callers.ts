/**
 * Which callers have xDS streams on which connection: a stream of use on a connection of another caller is refused, so that no sidecar
 * reports for a service that it is not. Connections: bounded by their own limit.
 */
interface OnConnection {
  readonly caller: string;
  streams: number;
  /** Further callers (a multiplexer), with their streams. */
  others: Map<string, number> | undefined;
}

export class ConnectionCallers {
  readonly #peers = new Map<string, OnConnection>();

  joined(peer: string, caller: string): void {
    const known = this.#peers.get(peer);
    if (known === undefined) this.#peers.set(peer, { caller, streams: 1, others: undefined });
    else if (known.caller === caller) known.streams++;
    else {
      known.others ??= new Map();
      known.others.set(caller, (known.others.get(caller) ?? 0) + 1);
    }
  }

  left(peer: string, caller: string): void {
    const known = this.#peers.get(peer);
    if (known === undefined) return;
    if (known.caller === caller) known.streams--;
    else {
      const left = (known.others?.get(caller) ?? 0) - 1;
      if (left > 0) known.others?.set(caller, left);
      else known.others?.delete(caller);
    }
    if (known.streams <= 0 && (known.others?.size ?? 0) === 0) this.#peers.delete(peer);
  }

  /** A caller other than this one that has a stream there. */
  otherThan(peer: string, caller: string): string | undefined {
    const known = this.#peers.get(peer);
    if (known === undefined) return undefined;
    if (known.streams > 0 && known.caller !== caller) return known.caller;
    for (const other of known.others?.keys() ?? []) if (other !== caller) return other;
    return undefined;
  }
}
