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

/** Chain values of the log that the state holds, hexadecimal, by offset; undefined where it holds none. */
export const storedChains = (state: Environment): ((offset: number) => string | undefined) => {
  const proofs = state.table<number>('proof');
  return (offset) => {
    if (offset % PROOF_EVERY !== 0) return undefined;
    state.refresh();
    const body = proofs.get(offset);
    return body === undefined ? undefined : decodeProof(offset, body).chain;
  };
};
