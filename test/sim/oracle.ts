/**
 * The reference: follows the durable log one record at a time, folds and derives with the real code, never crashes, and remembers what the
 * state and every resource was at every offset. Replicas fold the same records in batches of their own, with crashes in between; whatever
 * they hold at an offset must be what is remembered here.
 */
import { type CallerRecord, isVisible } from '../../src/dependency-graph/index.ts';
import { decodeRecord } from '../../src/log/record-codec.ts';
import type { DerivedChanges } from '../../src/projector/changes.ts';
import { FoldedChanges } from '../../src/projector/changes.ts';
import type { FoldOutcome, ServiceRecord } from '../../src/projector/index.ts';
import { allEndpoints, createDeriver, createRun, headOf } from '../../src/projector/parts.ts';
import { decodeCaller, decodeService } from '../../src/projector/records.ts';
import { StateStore } from '../../src/projector/state-store.ts';
import { STATE_SCHEMA } from '../../src/projector/state-tables.ts';
import { CHECKSUM_BYTES } from '../../src/store/index.ts';
import { MemoryDisk } from './memory-disk.ts';
import { MemoryEnvironment } from './memory-environment.ts';
import { PastValues } from './past-values.ts';
import { MESH, type World } from './world.ts';

const finish = <T>(work: Generator<void, T>): T => {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
};

export const DERIVATION_OF = 'simulated';

export interface Stand {
  readonly hash: string;
  readonly chain: string;
}

export class Oracle {
  readonly disk = new MemoryDisk('oracle', 'oracle');
  readonly store: StateStore;
  /** What the fold decided of every record. */
  readonly outcomes = new Map<number, FoldOutcome>();
  /** `resourceKey` -> version. */
  readonly versions = new PastValues<string>();
  readonly services = new PastValues<ServiceRecord>();
  readonly callers = new PastValues<CallerRecord>();
  readonly run = createRun({ mesh: MESH });
  /** Bytes of every record, from offset 1. */
  readonly records: Buffer[] = [];
  readonly #world: World;
  readonly #deriver;
  readonly #stands = new Map<number, Stand>();
  #recordedAt = 0;
  #epoch = 0;

  constructor(world: World) {
    this.#world = world;
    this.store = StateStore.over(
      new MemoryEnvironment({
        disk: this.disk,
        mesh: MESH,
        schemaVersion: STATE_SCHEMA.version,
        mode: 'visible',
        instant: true,
      }),
    );
    this.#deriver = createDeriver(this.run.fold, this.store, undefined);
    this.#deriver.loaded();
    this.#commit(new FoldedChanges(), finish(this.#deriver.deriveAll(allEndpoints(this.run), this.store)));
  }

  /** Offset of the last record. */
  get through(): number {
    return this.records.length;
  }

  standAt(offset: number): Stand | undefined {
    return this.#stands.get(offset);
  }

  /** Takes what the log's disk holds more than before; what it held before must be there still (I1, I2). */
  follow(disk: MemoryDisk): void {
    const events = disk.table('events');
    if (events.size < this.through)
      this.#world.violated('I1', `the log had ${this.through} durable events, and has ${events.size}`);
    while (this.through < events.size) {
      const offset = this.through + 1;
      const framed = events.get(offset);
      if (framed === undefined) {
        this.#world.violated('I2', `offset ${offset} is missing in a log of ${events.size}`);
        return;
      }
      this.#apply(offset, Buffer.from(framed.subarray(CHECKSUM_BYTES)));
    }
  }

  /** Compares every record with what it was (I1, I2). */
  compare(disk: MemoryDisk): void {
    const events = disk.table('events');
    for (const [at, bytes] of this.records.entries())
      if (
        events
          .get(at + 1)
          ?.subarray(CHECKSUM_BYTES)
          .equals(bytes) !== true
      ) {
        this.#world.violated('I1', `event ${at + 1} was durable, and is gone or another`);
        return;
      }
  }

  callerAt(name: string, offset: number): CallerRecord | undefined {
    const star = `*.${name.slice(name.lastIndexOf('.') + 1)}`;
    for (const key of [name, star, '*']) {
      const record = this.callers.at(key, offset);
      if (record !== undefined) return record;
    }
    return undefined;
  }

  /** The service was registered, visible for the caller and not denied to it (I6). */
  mayHold(caller: string, service: string, port: number, offset: number): boolean {
    const record = this.services.at(service, offset);
    const namespace = caller.slice(caller.lastIndexOf('.') + 1);
    if (record === undefined || !isVisible(record.visibility, record.namespace, namespace)) return false;
    const denied = this.callerAt(caller, offset)?.denied ?? [];
    return !denied.includes(service) && !denied.includes(`${service}:${port}`);
  }

  #apply(offset: number, bytes: Buffer): void {
    const record = decodeRecord(offset, bytes);
    if (record.recordedAt < this.#recordedAt)
      this.#world.violated('I2', `the time of event ${offset} lies before that of the one before`);
    this.#recordedAt = record.recordedAt;
    this.records.push(bytes);
    for (const outcome of this.run.apply(record)) this.outcomes.set(outcome.offset, outcome);
    if (this.#stands.has(this.run.offset)) return;
    const folded = this.run.take();
    this.#commit(folded, finish(this.#deriver.derive(folded.inputs, folded.endpoints)));
  }

  #commit(folded: FoldedChanges, derived: DerivedChanges): void {
    const { offset } = this.run;
    const head = {
      ...headOf(this.run, ++this.#epoch, DERIVATION_OF),
      sharedBytes: this.#deriver.resources.sharedBytes,
    };
    this.#stands.set(offset, { hash: head.hash, chain: head.chain });
    for (const [key, resource] of derived.resources) this.versions.set(key, offset, resource?.version);
    for (const [name, bytes] of derived.services)
      this.services.set(name, offset, bytes === undefined ? undefined : decodeService(Buffer.from(bytes)));
    for (const [name, bytes] of derived.callers)
      this.callers.set(name, offset, bytes === undefined ? undefined : decodeCaller(Buffer.from(bytes)));
    // The environment does it within the call.
    this.#world.start(this.store.prepare({ folded, derived, head, everything: false })());
  }
}
