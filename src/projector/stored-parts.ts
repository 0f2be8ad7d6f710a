/** State and ledger opened for reading beside the process that writes them: for the scrub. */
import { type Environment, openEnvironment } from '../store/index.ts';
import { PROOF_EVERY } from './fold-run.ts';
import { LEDGER_SCHEMA } from './ledger.ts';
import { STATE_NAME, STATE_SCHEMA } from './state-tables.ts';
import { decodeProof } from './write-changes.ts';

/** @throws TendrilError as `openEnvironment` for readers. */
export const openStoredPart = (dir: string, mesh: string, part: 'state' | 'ledger'): Promise<Environment> =>
  openEnvironment({
    dir,
    mesh,
    name: part === 'state' ? STATE_NAME : 'ledger',
    schema: part === 'state' ? STATE_SCHEMA : LEDGER_SCHEMA,
    mode: 'visible',
    readOnly: true,
  });

/** Table of the state with the chain values of the log. */
export const PROOF_TABLE = 'proof';

/** Chain value, hexadecimal, in a record of that table; undefined: it has none, or cannot be read. */
export const chainOfProof = (offset: number, body: Buffer): string | undefined => {
  if (offset % PROOF_EVERY !== 0) return undefined;
  try {
    return decodeProof(offset, body).chain;
  } catch {
    return undefined;
  }
};
