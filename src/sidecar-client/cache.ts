/**
 * The second level of a client's cache: what its session holds, on disk, so that a process that starts while every control plane is
 * away serves its last known good. The first level is the session itself.
 *
 * Invariants (cited by the tests as K1, K2, …)
 *  K1 A cache never keeps a client from working: what is wrong with it is a problem with a code, and the client goes on from memory.
 *  K2 A folder of another mesh or node, or one in use, is neither read nor written.
 *  K3 What fails a checksum is not served: all of the content is thrown away and made again from the control plane.
 *  K4 Changes that wait to be written are names, so they are bounded by what is held or was; each is written as it is then.
 *  K5 Age is never negative: a clock that went back makes it unknown, and it stays so until a control plane has answered or the clock is
 *     where it was.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DiskGuard, Environment, Table } from '../store/index.ts';
import {
  type ClockReadings,
  type EarlierState,
  INTERFACES,
  KINDS,
  readContent,
  STATE,
  type StateRecord,
} from './cache-content.ts';
import { type CacheProblem, encodeRecord, problemFrom, problemOf } from './cache-record.ts';
import type { HeldResource } from './config-source.ts';
import type { RestoredKind } from './earlier-life.ts';

export interface CacheOptions {
  /** Folder of this client alone; made with mode 0700. */
  readonly dir: string;
  readonly mesh: string;
  readonly node: string;
  /** Wall clock, ms. */
  readonly now: () => number;
  /** Version of the rules by which bodies are checked before they are held: what was written under others is checked anew. */
  readonly rules: number;
  readonly onProblem: (problem: CacheProblem) => void;
  /** What is held now, asked when it is written. */
  readonly read: (kind: RestoredKind, name: string) => HeldResource | undefined;
  readonly asked: () => { readonly hosts: readonly string[]; readonly clusters: readonly string[] };
  /** Interface -> authority of the service that was found for it; bounded by whoever keeps them. Default: none. */
  readonly interfaces?: () => ReadonlyMap<string, string>;
  /** Bytes that must stay free on the disk (default 64 MiB). */
  readonly reserveBytes?: number;
  /** How long changes are gathered before they are written, ms (default 250). */
  readonly writeMs?: number;
}

export interface ClientCache {
  /** What an earlier process left, once: it is not kept here. Undefined: nothing there. */
  takeEarlier(): EarlierState | undefined;
  noteChange(kind: RestoredKind, names: readonly string[]): void;
  /** Hosts or clusters were asked for or released. */
  noteAsked(): void;
  /** Another service was found for an interface, or none. */
  noteInterfaces(): void;
  /** What is held is what the control plane says now. */
  noteLive(): void;
  close(): Promise<void>;
}

const FOLDER = 'client';
const SCHEMA = { name: 'sidecar-cache', version: 1 };
const RESERVE_BYTES = 64 * 2 ** 20;
const WRITE_MS = 250;
/** After a write that failed, ms. */
const AGAIN_MS = 5_000;
/** LMDB's bound of a key, with room for the kind: such a name is kept in memory only. */
const MAX_NAME_BYTES = 1_800;
/** Never throws: undefined when the folder cannot be used, after `onProblem` (K1). */
export const openCache = async (options: CacheOptions): Promise<ClientCache | undefined> => {
  // Loaded here: LMDB costs an application without a cache nothing.
  const { openEnvironment, createDiskGuard, CHECKSUM_BYTES } = await import('../store/index.ts');
  const guard = createDiskGuard({ path: options.dir, reserveBytes: options.reserveBytes ?? RESERVE_BYTES });
  const open = (): Promise<Environment> =>
    openEnvironment({
      dir: options.dir,
      name: FOLDER,
      mesh: `${options.mesh} node ${options.node}`,
      schema: SCHEMA,
      mode: 'visible',
      derived: true,
      guard,
      mapSize: 2 ** 32,
    });
  let environment: Environment | undefined;
  try {
    environment = await open();
    const { emptied } = environment.opened;
    if (emptied !== undefined) options.onProblem(problemOf('CACHE_CORRUPT', emptied));
    let earlier: EarlierState | undefined;
    try {
      earlier = readContent(environment.table('held'), options);
    } catch (error) {
      // K3: a record is damaged.
      options.onProblem(problemOf('CACHE_CORRUPT', error instanceof Error ? error.message : String(error)));
      await environment.close();
      for (const file of ['data.mdb', 'lock.mdb', 'clean.json'])
        rmSync(join(options.dir, FOLDER, file), { force: true });
      environment = await open();
    }
    return new DiskCache(options, environment, guard, earlier, CHECKSUM_BYTES);
  } catch (error) {
    options.onProblem(problemFrom(error));
    guard.close();
    await environment?.close().catch(() => undefined);
    return undefined;
  }
};

class DiskCache implements ClientCache {
  #earlier: EarlierState | undefined;
  readonly #options: CacheOptions;
  readonly #environment: Environment;
  readonly #guard: DiskGuard;
  /** Bytes in front of a record for its checksum. */
  readonly #room: number;
  readonly #table: Table<[string, string]>;
  readonly #dirty = new Map<RestoredKind, Set<string>>(KINDS.map((kind) => [kind, new Set<string>()]));
  #isStateDirty = false;
  #areInterfacesDirty = false;
  #clock: ClockReadings;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #lastCode: string | undefined;
  #isClosed = false;

  constructor(
    options: CacheOptions,
    environment: Environment,
    guard: DiskGuard,
    earlier: EarlierState | undefined,
    room: number,
  ) {
    this.#room = room;
    this.#options = options;
    this.#environment = environment;
    this.#guard = guard;
    this.#earlier = earlier;
    this.#table = environment.table('held');
    this.#clock = earlier?.clock ?? this.#clockNow();
    // Opening took the mark of a clean end away: it comes back with the first write, also while no control plane is there.
    if (earlier !== undefined) this.#schedule();
  }

  takeEarlier(): EarlierState | undefined {
    const earlier = this.#earlier;
    this.#earlier = undefined;
    // Left out now, or not: written anew under the rules of now.
    if (earlier?.isChecked === false)
      for (const kind of KINDS)
        this.noteChange(
          kind,
          earlier[kind].map(({ name }) => name),
        );
    return earlier;
  }

  noteChange(kind: RestoredKind, names: readonly string[]): void {
    for (const name of names) if (Buffer.byteLength(name) <= MAX_NAME_BYTES) this.#dirty.get(kind)?.add(name);
    this.#schedule();
  }

  noteAsked(): void {
    this.#isStateDirty = true;
    this.#schedule();
  }

  noteInterfaces(): void {
    this.#areInterfacesDirty = true;
    this.noteAsked();
  }

  noteLive(): void {
    this.#clock = this.#clockNow();
    this.noteAsked();
  }

  #clockNow(): ClockReadings {
    const now = this.#options.now();
    return { liveAt: now, latestAt: now };
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#writing = this.#write().finally(() => {
        this.#timer = undefined;
        // What changed while it was written, or could not be written.
        if (this.#isStateDirty || KINDS.some((kind) => (this.#dirty.get(kind)?.size ?? 0) > 0)) this.#schedule();
      });
    }, this.#waitMs());
    this.#timer.unref();
  }

  /** A full disk is looked at without writing; whatever else failed may cost more. */
  #waitMs(): number {
    if (this.#lastCode !== undefined && this.#lastCode !== 'CACHE_FULL') return AGAIN_MS;
    return this.#options.writeMs ?? WRITE_MS;
  }

  async #write(): Promise<void> {
    const taken = KINDS.map((kind) => [kind, [...(this.#dirty.get(kind) ?? [])]] as const);
    for (const names of this.#dirty.values()) names.clear();
    this.#isStateDirty = false;
    const areInterfacesTaken = this.#areInterfacesDirty;
    this.#areInterfacesDirty = false;
    try {
      await this.#environment.commit((batch) => {
        for (const [kind, names] of taken)
          for (const name of names) {
            const held = this.#options.read(kind, name);
            if (held === undefined) batch.remove(this.#table, [kind, name]);
            else batch.putFramed(this.#table, [kind, name], encodeRecord(held, this.#room));
          }
        const { rules, now, asked } = this.#options;
        const latestAt = Math.max(this.#clock.latestAt, now());
        this.#clock = { ...this.#clock, latestAt };
        const state: StateRecord = { rules, ...this.#clock, ...asked() };
        batch.put(this.#table, STATE, Buffer.from(JSON.stringify(state)));
        const interfaces = areInterfacesTaken ? this.#options.interfaces?.() : undefined;
        if (interfaces !== undefined) batch.put(this.#table, INTERFACES, Buffer.from(JSON.stringify([...interfaces])));
      });
      this.#lastCode = undefined;
      // A process that is killed between two writes, as most are, leaves a file that need not be read through.
      await this.#environment.checkpoint();
    } catch (error) {
      const problem = problemFrom(error);
      if (problem.code !== this.#lastCode) this.#options.onProblem(problem);
      this.#lastCode = problem.code;
      // Whatever failed: what is newer on disk, its age, must not stand over records that are not.
      for (const [kind, names] of taken) for (const name of names) this.#dirty.get(kind)?.add(name);
      this.#isStateDirty = true;
      this.#areInterfacesDirty ||= areInterfacesTaken;
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#write();
    await this.#environment.close().catch((error: unknown) => this.#options.onProblem(problemFrom(error)));
    this.#guard.close();
  }
}
