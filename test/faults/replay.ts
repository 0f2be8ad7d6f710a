/**
 * Promise P2 of reference/reliability.md, for every fault test: the state is the fold of the log. Over a data directory that nobody
 * has open, and over a running server, whose log is read beside it.
 */
import assert from 'node:assert/strict';
import { LOG_SCHEMA, type LogRecord } from '../../src/log/index.ts';
import { decodeRecord } from '../../src/log/record-codec.ts';
import type { FoldRun } from '../../src/projector/fold-run.ts';
import { type VerifyReport, verifyData } from '../../src/projector/index.ts';
import { createRun } from '../../src/projector/parts.ts';
import { packageVersion } from '../../src/runtime/package-version.ts';
import { openEnvironment } from '../../src/store/index.ts';

const PAGE = 4_096;

/** Records `from` to `to` of a log that another process may be writing; without `to` all there are. */
export const readLog = async (
  dir: string,
  mesh: string,
  from = 1,
  to = Number.POSITIVE_INFINITY,
): Promise<LogRecord[]> => {
  const environment = await openEnvironment({ dir, mesh, name: 'log', schema: LOG_SCHEMA, readOnly: true });
  try {
    const table = environment.table<number>('events');
    const records: LogRecord[] = [];
    for (let at = from; at <= to; ) {
      environment.refresh();
      const page = [...table.range({ start: at, limit: Math.min(PAGE, to - at + 1) })];
      for (const { key, body } of page) records.push(decodeRecord(key, Buffer.from(body)));
      if (page.length < PAGE) break;
      at = (page.at(-1)?.key ?? at) + 1;
    }
    return records;
  } finally {
    await environment.close();
  }
};

/** The log folded anew, step by step: what a fresh replay gives at each offset it is taken to. */
export class Replay {
  readonly #dir: string;
  readonly #mesh: string;
  readonly #run: FoldRun;
  /** Offsets of events that came again, so far. */
  readonly duplicates = new Set<number>();
  /** What was quarantined so far: offset, code and reason. */
  readonly quarantined = new Map<number, string>();

  constructor(dir: string, mesh = 'default') {
    this.#dir = dir;
    this.#mesh = mesh;
    this.#run = createRun({ mesh });
  }

  /** State hash at this offset; offsets must not go back. */
  async hashAt(offset: number): Promise<string> {
    const records = await readLog(this.#dir, this.#mesh, this.#run.read + 1, offset);
    for (const record of records) {
      assert.equal(record.offset, this.#run.read + 1, 'the log has a gap');
      for (const { offset: at, status, code, message } of this.#run.apply(record)) {
        if (status === 'duplicate') this.duplicates.add(at);
        if (status === 'quarantined') this.quarantined.set(at, `${code}: ${message}`);
      }
      this.#run.forget();
    }
    assert.equal(this.#run.read, offset, 'the log ends before the state');
    return this.#run.stateHash();
  }

  /** The running server at `api` (`http://HOST:PORT`) has the state that its log gives. Returns the offset compared at. */
  async requireLive(api: string): Promise<number> {
    const answer = await fetch(`${api}/v1/state/hash`);
    const proof = (await answer.json()) as { readonly offset: number; readonly hash: string };
    assert.equal(answer.status, 200, JSON.stringify(proof));
    assert.equal(proof.hash, await this.hashAt(proof.offset), `live state and replay differ at offset ${proof.offset}`);
    return proof.offset;
  }
}

/**
 * A directory that nobody has open: every checksum, the chain, and a replay that gives the stored hash, entities and resources.
 * @param version as the state was written: 'serve' for one that `tendril serve` wrote, else none
 */
export const requireReplayed = async (
  dir: string,
  options: { readonly mesh?: string; readonly version?: 'serve' } = {},
): Promise<VerifyReport> => {
  const { mesh = 'default', version } = options;
  const report = await verifyData({ dir, mesh, ...(version === undefined ? {} : { version: packageVersion() }) });
  assert.deepEqual(report.problems, []);
  assert.deepEqual(
    report.notes.filter((note) => note.includes('not compared')),
    [],
  );
  return report;
};
