/** Which records a commit writes. */
import type { Batch } from '../store/index.ts';
import type { DerivedChanges, EntityChange, FoldedChanges } from './changes.ts';
import { hashOf } from './history-rows.ts';
import { encodeResource, encodeUnits } from './records.ts';
import { Slab } from './slab.ts';
import { TERM_BYTES } from './state-hash.ts';
import { MESH_KEY, type StateTables } from './state-tables.ts';
import type { StateProof } from './types.ts';

export const writeEntities = (batch: Batch, tables: StateTables, entities: ReadonlyMap<string, EntityChange>): void => {
  for (const [key, entity] of entities) {
    if (entity === undefined) batch.remove(tables.entity, key);
    else batch.putFramed(tables.entity, key, entity);
  }
};

export const encodeImage = (key: string, bytes: Uint8Array): Buffer => {
  const keyBytes = Buffer.byteLength(key);
  const body = Buffer.allocUnsafe(2 + keyBytes + bytes.length);
  body.writeUInt16LE(keyBytes, 0);
  body.write(key, 2);
  body.set(bytes, 2 + keyBytes);
  return body;
};

/** Entity key and bytes of an image in the history. */
export const decodeImage = (body: Buffer): { readonly key: string; readonly bytes: Buffer } => {
  const end = 2 + body.readUInt16LE(0);
  return { key: body.toString('utf8', 2, end), bytes: body.subarray(end) };
};

const PROOF_BYTES = 2 * TERM_BYTES + 4;
const BASE_BYTES = 12;

/** `[state hash 32][chain 32][fold version u32]`, and where there is a base `[its offset f64][its fold version u32]` */
export const encodeProof = (proof: StateProof): Buffer => {
  const { base } = proof;
  const body = Buffer.allocUnsafe(PROOF_BYTES + (base === undefined ? 0 : BASE_BYTES));
  body.write(proof.hash, 0, 'hex');
  body.write(proof.chain, TERM_BYTES, 'hex');
  body.writeUInt32LE(proof.foldVersion, 2 * TERM_BYTES);
  if (base !== undefined) {
    body.writeDoubleLE(base.offset, PROOF_BYTES);
    body.writeUInt32LE(base.foldVersion, PROOF_BYTES + 8);
  }
  return body;
};

export const decodeProof = (offset: number, body: Buffer): StateProof => ({
  offset,
  hash: body.toString('hex', 0, TERM_BYTES),
  chain: body.toString('hex', TERM_BYTES, 2 * TERM_BYTES),
  foldVersion: body.readUInt32LE(2 * TERM_BYTES),
  ...(body.length < PROOF_BYTES + BASE_BYTES
    ? {}
    : { base: { offset: body.readDoubleLE(PROOF_BYTES), foldVersion: body.readUInt32LE(PROOF_BYTES + 8) } }),
});

/** Under the hash of its key, or the next free number: thousands may have one offset, and whoever looks for one reads few others. */
const writeImages = (batch: Batch, tables: StateTables, images: FoldedChanges['images']): void => {
  const taken = new Set<number>();
  let last = 0;
  for (const { offset, key, bytes } of images) {
    if (offset !== last) taken.clear();
    last = offset;
    let number = hashOf(key);
    while (taken.has(number)) number++;
    taken.add(number);
    batch.put(tables.image, [offset, number], encodeImage(key, bytes));
  }
};

/** Outcomes, images, proofs and counts; the packs of history and idempotency are the store's. */
export const writeRecords = (batch: Batch, tables: StateTables, folded: FoldedChanges): void => {
  for (const outcome of folded.outcomes) {
    const body = Buffer.from(JSON.stringify(outcome));
    batch.put(tables.outcome, outcome.offset, body);
    if (outcome.status === 'quarantined') batch.put(tables.quarantine, outcome.offset, body);
  }
  writeImages(batch, tables, folded.images);
  for (const proof of folded.proofs) batch.put(tables.proof, proof.offset, encodeProof(proof));
  for (const [offset, counts] of folded.counts) batch.put(tables.count, offset, Buffer.from(JSON.stringify(counts)));
};

/** The read model. */
export const writeDerived = (batch: Batch, tables: StateTables, derived: DerivedChanges): void => {
  const slab = new Slab();
  for (const [key, resource] of derived.resources) {
    if (resource === undefined) batch.remove(tables.resource, key);
    else batch.putFramed(tables.resource, key, encodeResource(resource, slab));
  }
  for (const [key, resource] of derived.raw) {
    if (resource === undefined) batch.remove(tables.raw, key);
    else batch.putFramed(tables.raw, key, encodeResource(resource, slab));
  }
  writeTexts(batch, tables.rawLabel, derived.rawLabels);
  for (const [service, units] of derived.units) {
    if (units === undefined) batch.remove(tables.unit, service);
    else batch.put(tables.unit, service, encodeUnits(units.config, units.endpoints));
  }
  writeBytes(batch, tables.service, derived.services);
  for (const [key, framed] of derived.endpoints) {
    if (framed === undefined) batch.remove(tables.endpoint, key);
    else batch.putFramed(tables.endpoint, key, framed);
  }
  writeBytes(batch, tables.caller, derived.callers);
  writeTexts(batch, tables.host, derived.hosts);
  if (derived.mesh !== undefined) batch.put(tables.head, MESH_KEY, derived.mesh);
};

const writeTexts = (
  batch: Batch,
  table: StateTables['host'],
  changes: ReadonlyMap<string, string | undefined>,
): void => {
  for (const [key, text] of changes) {
    if (text === undefined) batch.remove(table, key);
    else batch.put(table, key, Buffer.from(text));
  }
};

const writeBytes = (
  batch: Batch,
  table: StateTables['service'],
  changes: ReadonlyMap<string, Uint8Array | undefined>,
): void => {
  for (const [key, bytes] of changes) {
    if (bytes === undefined) batch.remove(table, key);
    else batch.put(table, key, bytes);
  }
};
