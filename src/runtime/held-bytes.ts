/**
 * What sessions of a worker hold of services, in bytes. A version is the hash of a resource's bytes, so its size is looked up once and
 * kept; at the bound the table starts afresh. A version that is no longer the newest has the size of the newest.
 */
import { resourceKey } from '../compile/index.ts';
import type { StreamSession } from '../delta-xds/index.ts';
import type { ReadModel } from '../projector/index.ts';
import type { HeldRow } from './savings.ts';
import { isMeasured, wireBytes } from './wire-bytes.ts';

const MAX_SIZES = 262_144;
/** Some milliseconds. */
const SESSIONS_PER_TURN = 64;

type Shared = 'cds' | 'eds' | 'vhds';

export class HeldBytes {
  readonly #model: ReadModel;
  readonly #sizes = new Map<string, number>();

  constructor(model: ReadModel) {
    this.#model = model;
  }

  /** In slices: others have their turn in between. `node`: only of this one. */
  async rows(sessions: Iterable<StreamSession>, node?: string): Promise<readonly HeldRow[]> {
    const rows: HeldRow[] = [];
    let inTurn = 0;
    // Streams may come and go between two slices.
    for (const session of [...sessions]) {
      const { id, caller } = session.facts;
      if (node !== undefined && id !== node) continue;
      rows.push({ node: id, caller, ...this.#of(session) });
      if (++inTurn % SESSIONS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return rows;
  }

  #of(session: StreamSession): { readonly resources: number; readonly bytes: number } {
    let resources = 0;
    let bytes = 0;
    for (const { type, name, version } of session.resources()) {
      if (version === '' || !isMeasured(type)) continue;
      const size = this.#size(type as Shared, name, version);
      if (size === 0) continue;
      resources++;
      bytes += size;
    }
    return { resources, bytes };
  }

  /** 0 for what is the sidecar's own, and for answers without a body. */
  #size(type: Shared, wireName: string, version: string): number {
    const key = `${type}|${version}`;
    const known = this.#sizes.get(key);
    if (known !== undefined) return known;
    const name = type === 'vhds' ? wireName.slice(wireName.indexOf('/') + 1) : wireName;
    const stored = this.#model.resource(resourceKey(type, '', name));
    const size = stored === undefined ? 0 : wireBytes(type, name, stored);
    if (this.#sizes.size >= MAX_SIZES) this.#sizes.clear();
    // What is unknown now may be there a moment later.
    if (stored !== undefined) this.#sizes.set(key, size);
    return size;
  }
}
