/**
 * Bytes on disk (issue 6, section 4): the log is at most twice the events' JSON, log and history at most four times. A log of 1 M events of
 * 10,000 services with 10 endpoints each: the mesh at first, then what goes on in it.
 *
 * Sizes of tables are their pages; the state's other tables hold the present, which does not grow with the log.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { openEventLog } from '../src/log/index.ts';
import { MESH } from '../test/projector/mesh-events.ts';
import { round } from './spread.ts';
import { prepare, type StartOptions } from './start.ts';

export interface StorageFigures {
  readonly events: number;
  readonly jsonMb: number;
  readonly bytesPerEvent: number;
  /** The log's file. */
  readonly logMb: number;
  /** What the state keeps of the past: index of subjects, images, outcomes, proofs. */
  readonly historyMb: number;
  /** The state's file: present, history, journal, idempotency, free pages. */
  readonly stateMb: number;
  readonly logToJson: number;
  readonly withHistoryToJson: number;
  readonly tablesMb: Readonly<Record<string, number>>;
}

const MB = 2 ** 20;
const HISTORY = ['history', 'image', 'outcome', 'quarantine', 'proof'];
/** In front of the JSON in a record: its time. */
const HEADER_BYTES = 8;

interface Stats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

const tableSizes = (path: string): Map<string, number> => {
  const root = open({ path, noSubdir: false, readOnly: true, encoding: 'binary', maxDbs: 32 });
  const sizes = new Map<string, number>();
  for (const name of [...root.getKeys()].map(String)) {
    const stats = root.openDB({ name, encoding: 'binary' }).getStats() as Stats;
    const pages = stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;
    sizes.set(name, pages * stats.pageSize);
  }
  return sizes;
};

const fileBytes = (dir: string, name: string): number => statSync(join(dir, name, 'data.mdb')).blocks * 512;

const jsonBytes = async (dir: string): Promise<number> => {
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: { now: Date.now } });
  let bytes = 0;
  for await (const records of log.read({ from: 1 }))
    for (const record of records) bytes += record.bytes.length - HEADER_BYTES;
  await log.close();
  return bytes;
};

export const run = async (options: StartOptions = {}): Promise<StorageFigures> => {
  const { events = 1_000_000, endpoints = 10 } = options;
  const services = options.services ?? Math.min(10_000, Math.floor(events / 2 / (endpoints + 1)));
  const dir = mkdtempSync(join(tmpdir(), 'tendril-bench-'));
  try {
    await prepare(dir, { events, services, endpoints });
    const json = await jsonBytes(dir);
    const log = fileBytes(dir, 'log');
    const tables = tableSizes(join(dir, 'state'));
    const history = HISTORY.reduce((sum, name) => sum + (tables.get(name) ?? 0), 0);
    return {
      events,
      jsonMb: Math.round(json / MB),
      bytesPerEvent: Math.round(json / events),
      logMb: Math.round(log / MB),
      historyMb: Math.round(history / MB),
      stateMb: Math.round(fileBytes(dir, 'state') / MB),
      logToJson: round(log / json),
      withHistoryToJson: round((log + history) / json),
      tablesMb: Object.fromEntries([...tables].map(([name, bytes]) => [name, Math.round(bytes / MB)])),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};
