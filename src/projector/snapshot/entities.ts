/** The entities of a checkpoint, and whether they are what it says. */
import { EntityTerms } from '../entity-terms.ts';
import { Slab } from '../slab.ts';
import { FRAMED_TERM_AT, frameEntity } from '../state-hash.ts';
import { nextTurn } from '../turns.ts';
import { requireFit, requireHash } from './check.ts';
import { readSnapshotFile } from './checkpoint.ts';
import { corrupt, decodeHeader, KINDS, type SnapshotHeader } from './format.ts';
import { readFrames } from './read.ts';
import { decodeRows } from './rows.ts';

export interface SnapshotEntity {
  readonly key: string;
  /** In memory that the next group may use again. */
  readonly value: Buffer;
}

/** In groups of some hundred KB. @throws TendrilError `SNAPSHOT_CORRUPT`, `DATA_FROM_NEWER_VERSION`. */
export async function* readEntities(path: string): AsyncGenerator<readonly SnapshotEntity[]> {
  for await (const { kind, body } of readFrames(readSnapshotFile(path))) {
    if (kind !== KINDS.entity) continue;
    yield [...decodeRows(body)].map(({ key, value }) => {
      if (typeof key !== 'string') throw corrupt('an entity has no name');
      return { key, value };
    });
  }
}

/**
 * Reads a checkpoint to its end and proves it by its state hash.
 * @throws TendrilError `SNAPSHOT_CORRUPT`, `SNAPSHOT_HASH`, `MESH_MISMATCH`, `DATA_FROM_NEWER_VERSION`
 */
export const provenHeader = async (path: string, mesh: string): Promise<SnapshotHeader> => {
  const terms = new EntityTerms();
  let header: SnapshotHeader | undefined;
  for await (const { kind, body } of readFrames(readSnapshotFile(path))) {
    if (header === undefined) {
      header = decodeHeader(body);
      requireFit(header, mesh);
    }
    if (kind === KINDS.entity) {
      const slab = new Slab();
      for (const { key, value } of decodeRows(body)) {
        if (typeof key !== 'string' || terms.has(key)) throw corrupt(`entity ${String(key)} twice`);
        terms.set(key, frameEntity(key, value, slab), FRAMED_TERM_AT);
      }
    }
    await nextTurn();
  }
  if (header === undefined) throw corrupt('it is empty');
  requireHash('state hash', header.hash, terms.hash.hex());
  return header;
};
