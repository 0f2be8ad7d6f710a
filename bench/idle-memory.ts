/**
 * Memory of an idle process that holds 10,000 services with 10 endpoints each: log and projector, after a restart and right after
 * the mesh was built in it. RssAnon: what the process itself needs; mapped pages of the database are not counted.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEventLog } from '../src/log/index.ts';
import { Projector } from '../src/projector/index.ts';
import { initialEvents, MESH } from '../test/projector/mesh-events.ts';
import { type MemoryReport, memoryNow } from './projector-child.ts';
import { startChild } from './start.ts';

export interface IdleMemoryOptions {
  readonly services?: number;
  readonly endpoints?: number;
}

const BATCH = 1_000;

export const run = async (
  options: IdleMemoryOptions = {},
): Promise<{
  readonly services: number;
  readonly endpoints: number;
  readonly afterRestart: MemoryReport;
  readonly afterBuilding: MemoryReport;
}> => {
  const { services = 10_000, endpoints = 10 } = options;
  const dir = mkdtempSync(join(tmpdir(), 'tendril-bench-'));
  const clock = { now: Date.now };
  try {
    const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock });
    const projector = await Projector.open({ dir, log, mesh: MESH, clock });
    let batch = [];
    for (const event of initialEvents({ services, endpoints })) {
      batch.push(event);
      if (batch.length < BATCH) continue;
      const { offsets } = await log.append(batch);
      await projector.waitFor(offsets.at(-1) ?? 0);
      batch = [];
    }
    if (batch.length > 0) await log.append(batch);
    await projector.waitFor(log.head().offset);
    await new Promise((done) => setTimeout(done, 3_000));
    const afterBuilding = memoryNow();
    await projector.close();
    await log.close();
    const { child } = await startChild(dir, 'idle');
    const [afterRestart] = (await once(child, 'message')) as [MemoryReport];
    await once(child, 'exit');
    return { services, endpoints, afterRestart, afterBuilding };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};
