/** A log and a projector in a temporary directory, and what tests ask of them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type OpenedLog, openEventLog } from '../../src/log/index.ts';
import type { EventEnvelope } from '../../src/model/index.ts';
import { type FoldOutcome, Projector, type ProjectorOptions, ReadModel } from '../../src/projector/index.ts';
import { STATE_NAME, STATE_SCHEMA } from '../../src/projector/state-tables.ts';
import { openEnvironment } from '../../src/store/index.ts';
import { MESH } from './mesh-events.ts';

export const tempDir = (t: TestContext): string => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-projector-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

export interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: object;
  readonly message: string;
}

/** Remembers what was logged. */
export class Lines {
  readonly all: Line[] = [];

  info(fields: object, message: string): void {
    this.all.push({ level: 'info', fields, message });
  }

  warn(fields: object, message: string): void {
    this.all.push({ level: 'warn', fields, message });
  }

  error(fields: object, message: string): void {
    this.all.push({ level: 'error', fields, message });
  }

  has(level: Line['level'], part: string): boolean {
    return this.all.some(
      (line) => line.level === level && `${line.message} ${JSON.stringify(line.fields)}`.includes(part),
    );
  }
}

/** Log time that the test moves. */
export class ManualClock {
  at = 1_700_000_000_000;

  now(): number {
    return this.at;
  }
}

export interface System {
  readonly dir: string;
  readonly log: OpenedLog;
  readonly projector: Projector;
  readonly clock: ManualClock;
  readonly lines: Lines;
}

export type SystemOptions = Partial<Omit<ProjectorOptions, 'dir' | 'log' | 'mesh' | 'clock' | 'logger'>>;

export const openSystem = async (
  dir: string,
  options: SystemOptions = {},
  clock = new ManualClock(),
): Promise<System> => {
  const lines = new Lines();
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock });
  try {
    const projector = await Projector.open({ dir, log, mesh: MESH, clock, logger: lines, ...options });
    return { dir, log, projector, clock, lines };
  } catch (error) {
    await log.close();
    throw error;
  }
};

export const closeSystem = async (system: System): Promise<void> => {
  await system.projector.close();
  await system.log.close();
};

/** Opens, works, closes. */
export const withSystem = async <T>(
  dir: string,
  work: (system: System) => Promise<T>,
  options: SystemOptions = {},
): Promise<T> => {
  const system = await openSystem(dir, options);
  try {
    return await work(system);
  } finally {
    await closeSystem(system);
  }
};

/** Appends, waits for the commit, gives the outcomes. */
export const feed = async (system: System, ...events: readonly EventEnvelope[]): Promise<readonly FoldOutcome[]> => {
  const { offsets } = await system.log.append(events);
  await system.projector.waitFor(offsets.at(-1) ?? 0);
  return system.projector.outcomesOf(offsets);
};

export const openModel = (dir: string, more: Partial<Parameters<typeof ReadModel.open>[0]> = {}): Promise<ReadModel> =>
  ReadModel.open({ dir, mesh: MESH, ...more });

/** Tables that hold the state and what is made from it (not its history). */
const STATE_TABLES = [
  'entity',
  'resource',
  'unit',
  'service',
  'host',
  'endpoint',
  'caller',
  'raw',
  'raw-label',
  'outcome',
  'quarantine',
  'proof',
  'count',
];

/** Everything in the stored state, as text: two equal states give equal objects. To be called while nobody writes. */
export const stateOf = async (dir: string): Promise<Record<string, Record<string, string>>> => {
  const environment = await openEnvironment({
    dir,
    mesh: MESH,
    name: STATE_NAME,
    schema: STATE_SCHEMA,
    mode: 'visible',
    readOnly: true,
  });
  try {
    const state: Record<string, Record<string, string>> = {};
    for (const name of STATE_TABLES) {
      const table: Record<string, string> = {};
      for (const { key, body } of environment.table<string>(name).range()) table[String(key)] = body.toString('base64');
      state[name] = table;
    }
    return state;
  } finally {
    await environment.close();
  }
};
