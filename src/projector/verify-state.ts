/** Compares stored entities and read model with those of a replay. */
import { isDeepStrictEqual } from 'node:util';
import { CHECKSUM_BYTES, type Table } from '../store/index.ts';
import type { FoldRun } from './fold-run.ts';
import { allEndpoints, createDeriver, NOTHING_STORED } from './parts.ts';
import { decodeResource } from './records.ts';
import { entityTerm, TERM_BYTES } from './state-hash.ts';
import { MESH_KEY, type StateTables } from './state-tables.ts';
import { inSlices } from './turns.ts';
import type { StoredResource } from './types.ts';
import type { Findings } from './verify-findings.ts';

const UNITS_PER_TURN = 64;

/** `run` holds the replayed state at the offset of the stored one. */
export const compareEntities = (tables: StateTables, run: FoldRun, findings: Findings): void => {
  const seen = new Set<string>();
  for (const { key, body } of tables.entity.range()) {
    seen.add(key);
    const term = body.subarray(0, TERM_BYTES);
    const where = `entity[${key}]`;
    if (!entityTerm(key, body.subarray(TERM_BYTES)).equals(term))
      findings.add('state', where, 'its hash does not fit its bytes');
    else if (!run.terms.has(key)) findings.add('state', where, 'the replay has no such entity');
    else if (!run.terms.matches(key, term)) findings.add('state', where, 'the replay gives other bytes');
  }
  for (const key of run.terms.keys()) if (!seen.has(key)) findings.add('state', `entity[${key}]`, 'it is missing');
};

const json = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString());

/** Compares a table with what was derived; order of JSON members does not count. */
const compareTable = (
  table: Table<string>,
  derived: ReadonlyMap<string, Uint8Array | undefined>,
  findings: Findings,
): void => {
  let seen = 0;
  for (const { key, body } of table.range()) {
    const now = derived.get(key);
    const where = `${table.name}[${key}]`;
    if (now === undefined) findings.add('state', where, 'the replay has no such record');
    else {
      seen++;
      if (!isDeepStrictEqual(json(body), json(now))) findings.add('state', where, 'the replay gives another record');
    }
  }
  if (seen === derived.size) return;
  for (const key of derived.keys())
    if (!table.has(key)) findings.add('state', `${table.name}[${key}]`, 'it is missing');
};

const compareResources = (
  table: Table<string>,
  derived: ReadonlyMap<string, StoredResource | undefined>,
  findings: Findings,
): void => {
  for (const { key, body } of table.range()) {
    const now = derived.get(key);
    const stored = decodeResource(body);
    const where = `${table.name}[${key}]`;
    if (now === undefined) findings.add('state', where, 'the replay has no such resource');
    else if (now.version !== stored.version || Buffer.compare(now.body, stored.body) !== 0) {
      findings.add('state', where, `the replay gives version ${now.version}, stored is ${stored.version}`);
    }
  }
  for (const key of derived.keys())
    if (!table.has(key)) findings.add('state', `${table.name}[${key}]`, 'it is missing');
};

const bodiesOf = (framed: ReadonlyMap<string, Buffer | undefined>): ReadonlyMap<string, Uint8Array | undefined> =>
  new Map([...framed].map(([key, bytes]) => [key, bytes?.subarray(CHECKSUM_BYTES)]));

export const compareModel = async (tables: StateTables, run: FoldRun, findings: Findings): Promise<void> => {
  const deriver = createDeriver(run.fold, NOTHING_STORED, undefined);
  deriver.loaded();
  const derived = await inSlices(deriver.deriveAll(allEndpoints(run), NOTHING_STORED), UNITS_PER_TURN);
  for (const unit of deriver.resources.failedUnits) findings.add('state', `unit ${unit}`, 'it cannot be compiled');
  compareResources(tables.resource, derived.resources, findings);
  compareResources(tables.raw, derived.raw, findings);
  compareTable(tables.service, derived.services, findings);
  compareTable(tables.endpoint, bodiesOf(derived.endpoints), findings);
  compareTable(tables.caller, derived.callers, findings);
  for (const [host, owner] of derived.hosts) {
    if (tables.host.get(host)?.toString() !== owner)
      findings.add('state', `host[${host}]`, `it belongs to ${owner ?? 'nobody'}`);
  }
  for (const host of tables.host.keys())
    if (!derived.hosts.has(host)) findings.add('state', `host[${host}]`, 'it belongs to nobody');
  for (const key of new Set([...derived.rawLabels.keys(), ...tables.rawLabel.keys()]))
    if (tables.rawLabel.get(key)?.toString() !== derived.rawLabels.get(key))
      findings.add('state', `raw-label[${key}]`, `the replay gives ${derived.rawLabels.get(key) ?? 'none'}`);
  const mesh = tables.head.get(MESH_KEY);
  if (mesh === undefined || (derived.mesh !== undefined && !isDeepStrictEqual(json(mesh), json(derived.mesh)))) {
    findings.add('state', 'head[mesh]', 'the replay gives another mesh');
  }
};
