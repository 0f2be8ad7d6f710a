/**
 * A system with retention, or an import of a snapshot, that is killed at any moment: `retention DIR SEED` or `import FILE DIR`. Says
 * `begun` when there is something to kill.
 */
import { readFileSync } from 'node:fs';
import { openEventLog } from '../../src/log/index.ts';
import { importData, Projector } from '../../src/projector/index.ts';
import { MESH } from './mesh-events.ts';
import { initial, mixedEvents, pieces } from './snapshot-support.ts';

const [, , what = '', first = '', second = ''] = process.argv;

const retention = async (dir: string, seed: number): Promise<void> => {
  const clock = { now: Date.now };
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock });
  const retain = { events: 60, leastEvents: 10, prune: log.prune.bind(log) };
  const projector = await Projector.open({ dir, log, mesh: MESH, clock, retain, version: '1' });
  const next = mixedEvents(seed);
  if (log.head().offset === 0) await log.append(initial());
  process.stdout.write('begun\n');
  for (;;) {
    const { offsets } = await log.append(next());
    await projector.waitFor(offsets.at(-1) ?? 0);
    for (let step = await projector.retention?.tick(); step !== 'nothing'; step = await projector.retention?.tick())
      process.stdout.write(`${step}\n`);
  }
};

const load = async (file: string, dir: string): Promise<void> => {
  const bytes = readFileSync(file);
  process.stdout.write('begun\n');
  for (;;) await importData(async () => pieces(bytes), { dir, mesh: MESH, force: true, now: Date.now });
};

await (what === 'import' ? load(first, second) : retention(first, Number(second)));
