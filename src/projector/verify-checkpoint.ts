/** `verify` of a log that does not begin with the first event: from the checkpoint on, which must join it. */
import { existsSync } from 'node:fs';
import { type EventLog, type LogBase, nextChain } from '../log/index.ts';
import { TendrilError } from '../model/index.ts';
import type { FoldRun } from './fold-run.ts';
import { checkpointPath, loadCheckpoint } from './snapshot/index.ts';
import { nextTurn } from './turns.ts';
import type { Findings } from './verify-findings.ts';

const RECORDS_PER_TURN = 1024;

/** Loads the checkpoint into the run. False: it cannot be used, which is a finding. */
export const fromCheckpoint = async (
  options: { readonly dir: string; readonly mesh: string },
  log: EventLog,
  run: FoldRun,
  findings: Findings,
): Promise<boolean> => {
  const { first, base, offset: end } = log.head();
  const path = checkpointPath(options.dir);
  if (!existsSync(path)) {
    findings.add(
      'checkpoint',
      path,
      `it is missing, and the log begins at offset ${first}: the state cannot be made anew`,
    );
    return false;
  }
  try {
    const { offset, chain } = await loadCheckpoint(path, options.mesh, { run });
    findings.notes.push(`the log begins at offset ${first}; proven from the checkpoint at offset ${offset} on`);
    const found = base === undefined ? undefined : await chainAt(log, base, Math.min(offset, end));
    if (offset + 1 < first || offset > end)
      findings.add('checkpoint', path, `it stands at ${offset}, the log has ${first} to ${end}`);
    else if (found !== undefined && found !== chain)
      findings.add('checkpoint', path, `chain ${chain}, the log gives ${found} at offset ${offset}`);
    else return true;
  } catch (error) {
    if (!(error instanceof TendrilError) || error.code !== 'CHECKPOINT_UNUSABLE') throw error;
    findings.add('checkpoint', path, error.message);
  }
  return false;
};

/** The chain behind the record at `offset`, from what stood before the log's first record on. */
const chainAt = async (log: EventLog, base: LogBase, offset: number): Promise<string> => {
  let chain: Buffer = Buffer.from(base.chain, 'hex');
  if (offset <= base.offset) return base.chain;
  for await (const records of log.read({ from: base.offset + 1, maxBatch: RECORDS_PER_TURN })) {
    for (const record of records) if (record.offset <= offset) chain = nextChain(chain, record.bytes);
    if ((records.at(-1)?.offset ?? offset) >= offset) break;
    await nextTurn();
  }
  return chain.toString('hex');
};
