/** Reading a framed record. Apart from the framing itself, so that the checking process need not load the model. */
import { TendrilError } from '../model/index.ts';
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
