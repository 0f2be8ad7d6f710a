/** An audit in a folder of its own, with a clock that the test turns. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type AuditedWrite, AuditLog, type AuditOptions, verifyAudit } from '../../src/audit/index.ts';

export const temporaryData = (t: TestContext): string => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-audit-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

export const START = Date.parse('2026-05-01T12:00:00Z');

export const openAudit = (dir: string, options: Partial<AuditOptions> = {}): Promise<AuditLog> =>
  AuditLog.open({ dir, mesh: 'm', version: '1.0.0', clock: { now: () => START }, ...options });

export const accepted = (offset: number, more: Partial<AuditedWrite> = {}): AuditedWrite => ({
  who: 'local',
  from: '127.0.0.1:5000',
  result: 'accepted',
  method: 'POST',
  target: '/v1/events',
  status: 200,
  offsets: [[offset, offset]],
  ...more,
});

export const refused = (code: string, more: Partial<AuditedWrite> = {}): AuditedWrite => ({
  who: 'local',
  from: '127.0.0.1:5000',
  result: 'refused',
  status: 400,
  code,
  ...more,
});

/** Paths of the segments, oldest first. */
export const segmentsIn = (dir: string): readonly string[] =>
  readdirSync(join(dir, 'audit'))
    .filter((name) => name.endsWith('.ndjson'))
    .sort()
    .map((name) => join(dir, 'audit', name));

/** Lines of a segment, with its header. */
export const linesOf = (path: string): string[] => readFileSync(path, 'utf8').trimEnd().split('\n');

/** Numbers and messages of what the proof finds. */
export const problemsIn = async (dir: string): Promise<readonly string[]> => {
  const proof = await verifyAudit({ dir, mesh: 'm' });
  return (proof?.problems ?? []).map(({ seq, message }) => `${seq}: ${message}`);
};
