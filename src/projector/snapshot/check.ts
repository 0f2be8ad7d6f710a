/** Whether this Tendril may take a snapshot, and whether the snapshot is what it says. */
import { createHash } from 'node:crypto';
import { LOG_SCHEMA } from '../../log/index.ts';
import { TendrilError } from '../../model/index.ts';
import { FOLD_VERSION } from '../fold/index.ts';
import { STATE_SCHEMA } from '../state-tables.ts';
import { corrupt, type SnapshotHeader, type StatePart } from './format.ts';

/** SHA-256 of a record, hexadecimal, as heads and bases have it. */
export const tailOf = (record: Uint8Array): string => createHash('sha256').update(record).digest('hex');

/** @throws TendrilError `MESH_MISMATCH`, `DATA_FROM_NEWER_VERSION`. */
export const requireFit = (header: SnapshotHeader, mesh: string): void => {
  if (header.mesh !== mesh)
    throw new TendrilError('MESH_MISMATCH', `the snapshot is of mesh "${header.mesh}", not of "${mesh}"`, {
      remedy: `say --mesh ${header.mesh} if that is the one you mean`,
    });
  const newer = (
    [
      ['fold', header.foldVersion, FOLD_VERSION],
      ['state', header.stateSchema, STATE_SCHEMA.version],
      ['log', header.logSchema, LOG_SCHEMA.version],
    ] as const
  ).find(([, theirs, ours]) => theirs > ours);
  if (newer === undefined) return;
  const [part, theirs, ours] = newer;
  throw new TendrilError(
    'DATA_FROM_NEWER_VERSION',
    `the snapshot comes from a newer Tendril (${header.createdBy}): version ${theirs} of the ${part}, this one knows ${ours}`,
    { remedy: `import it with Tendril ${header.createdBy} or newer` },
  );
};

/** @throws TendrilError `SNAPSHOT_HASH`. */
export const requireHash = (what: string, said: string, found: string): void => {
  if (said === found) return;
  throw new TendrilError('SNAPSHOT_HASH', `the snapshot says ${what} ${said}, its content gives ${found}`, {
    remedy: 'take another snapshot; nothing was changed',
  });
};

export const requireTail = (header: SnapshotHeader, offset: unknown, record: Uint8Array): void => {
  if (offset !== header.offset) throw corrupt('its last record has another offset');
  requireHash('record hash', header.tail, tailOf(record));
};

/** @throws TendrilError `SNAPSHOT_CORRUPT`. */
export const requireCounts = (header: SnapshotHeader, found: ReadonlyMap<StatePart, number>): void => {
  for (const part of new Set([...(Object.keys(header.counts) as StatePart[]), ...found.keys()])) {
    const [said, rows] = [header.counts[part] ?? 0, found.get(part) ?? 0];
    if (said !== rows) throw corrupt(`${rows} records of kind ${part}, it should be ${said}`);
  }
};
