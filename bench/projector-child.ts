/**
 * A process that holds log and projector: `projector-child DIR MODE`. Tells its parent when it is ready, how long that took and
 * what memory it needs; MODE `write` goes on appending until it is killed.
 */
import { readFileSync } from 'node:fs';
import { openEventLog } from '../src/log/index.ts';
import { Projector } from '../src/projector/index.ts';
import { changeEvents, MESH, randomFrom } from '../test/projector/mesh-events.ts';

export interface ChildReport {
  /** Opening the log, then the projector until it has caught up, ms. */
  readonly logMs: number;
  readonly stateMs: number;
  readonly offset: number;
  readonly services: number;
  /** User and system time of the process until then. */
  readonly cpuMs: number;
}

export interface MemoryReport {
  readonly rssAnonMb: number;
  readonly heapUsedMb: number;
  readonly externalMb: number;
}

/** RssAnon is what the process itself needs; mapped pages of the database are the system's to take. */
export const memoryNow = (): MemoryReport => {
  const status = readFileSync('/proc/self/status', 'utf8');
  const { heapUsed, external } = process.memoryUsage();
  const mb = (bytes: number): number => Math.round(bytes / 2 ** 20);
  return {
    rssAnonMb: Math.round(Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024),
    heapUsedMb: mb(heapUsed),
    externalMb: mb(external),
  };
};

const tell = (message: unknown): Promise<void> =>
  new Promise((done) => {
    if (process.send === undefined) done();
    else process.send(message, undefined, {}, () => done());
  });

const main = async (dir: string, mode: string): Promise<void> => {
  const clock = { now: Date.now };
  const begun = performance.now();
  const prepared = Projector.prepare({ dir, mesh: MESH });
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock });
  const logMs = performance.now() - begun;
  const projector = await Projector.open({ dir, log, mesh: MESH, clock, prepared });
  const stateMs = performance.now() - begun - logMs;
  const services = [...projector.fold.serviceNames()].length;
  const { user, system } = process.cpuUsage();
  const cpuMs = (user + system) / 1_000;
  const report: ChildReport = { logMs, stateMs, offset: projector.notice.offset, services, cpuMs };
  await tell(report);
  if (mode === 'idle') {
    await new Promise((done) => setTimeout(done, 3_000));
    await tell(memoryNow());
  }
  if (mode === 'write') {
    const next = changeEvents({ services, endpoints: 10 }, randomFrom(99));
    for (;;) await log.append(Array.from({ length: 200 }, next));
  }
  await projector.close();
  await log.close();
};

const [dir, mode] = process.argv.slice(2);
if (process.send !== undefined && dir !== undefined && mode !== undefined) await main(dir, mode);
