/** Reading a framed record. Apart from the framing itself, so that the checking process need not load the model. */
import { TendrilError } from '../model/basics.ts';
import { CHECKSUM_BYTES, isIntact, showKey, type TableKey } from './checked-record.ts';

/**
 * The body within `framed` (a view, not a copy).
 * @throws TendrilError `CORRUPT_RECORD` naming environment, table and key.
 */
export const unseal = (framed: Buffer, key: TableKey, table: string, environment: string): Buffer => {
  if (isIntact(key, framed)) return framed.subarray(CHECKSUM_BYTES);
  throw new TendrilError(
    'CORRUPT_RECORD',
    `${environment}: record ${showKey(key)} of table ${table} fails its checksum`,
    {
      remedy: 'the disk or the file is damaged: run `tendril verify --data DIR`, then restore from a copy',
    },
  );
};

/** Codes of LMDB for a tree that contradicts itself: page not found, corrupted, invalid, cursor full, page full. */
const DAMAGED: ReadonlySet<unknown> = new Set([-30797, -30796, -30793, -30787, -30786]);

/** True for an error, or one that it was made of, that only damaged bytes give: not for a limit of the system, rights or a place. */
export const isDamage = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false;
  const { code } = error as { readonly code?: unknown };
  return code === 'CORRUPT_RECORD' || DAMAGED.has(code) || isDamage(error.cause);
};

/**
 * What LMDB says of a damaged tree, as `CORRUPT_RECORD` (a clean mark vouches for the head of a file only); that it reads no more in
 * this process, because writing its head has failed, as `DATA_READ_ONLY`; every other error as it is.
 */
export const asDamage = (error: unknown, table: string, environment: string): unknown => {
  if (error instanceof Error && /\bMDB_PANIC\b/.test(error.message))
    return new TendrilError('DATA_READ_ONLY', `${environment} is not even read any more: ${error.message}`, {
      remedy: 'look at the disk, then restart Tendril; everything acknowledged before is safe',
      cause: error,
    });
  if (!(error instanceof Error) || !DAMAGED.has((error as { readonly code?: unknown }).code)) return error;
  return new TendrilError('CORRUPT_RECORD', `${environment}: the tree of table ${table} is damaged: ${error.message}`, {
    remedy: 'the disk or the file is damaged: run `tendril verify --data DIR`, then restore from a copy',
    cause: error,
  });
};
