/**
 * Terms of all entities in memory: what a changed entity takes out of the state hash. 32 bytes and a map entry each, in one
 * typed array (no object per entity).
 */
import { digestToLanes, LANES, StateHash } from './state-hash.ts';

/** An entity's bytes are written into the history every so many changes, so that a state of the past needs few events. */
export const IMAGE_EVERY = 32;

export class EntityTerms {
  readonly hash = new StateHash();
  readonly #slots = new Map<string, number>();
  readonly #free: number[] = [];
  #lanes = new Uint32Array(1024 * LANES);
  /** Changes since the last image, per slot. */
  #changes = new Uint8Array(1024);
  #used = 0;
  readonly #compared = new Uint32Array(LANES);

  get size(): number {
    return this.#slots.size;
  }

  has(key: string): boolean {
    return this.#slots.has(key);
  }

  /** True when the entity has this digest. */
  matches(key: string, digest: Uint8Array): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    digestToLanes(digest, this.#compared, 0);
    return this.#compared.every((word, lane) => word === this.#lanes[slot * LANES + lane]);
  }

  keys(): Iterable<string> {
    return this.#slots.keys();
  }

  /** Takes in an entity; its `entityTerm` stands at byte `from` of `digest`. Gives true when an image of it is due. */
  set(key: string, digest: Uint8Array, from = 0): boolean {
    const known = this.#slots.get(key);
    const slot = known ?? this.#take(key);
    if (known !== undefined) this.hash.subtract(this.#lanes, slot * LANES);
    digestToLanes(digest, this.#lanes, slot * LANES, from);
    this.hash.add(this.#lanes, slot * LANES);
    return this.#countChange(slot);
  }

  /** True when it was there. */
  remove(key: string): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.hash.subtract(this.#lanes, slot * LANES);
    this.#slots.delete(key);
    this.#free.push(slot);
    return true;
  }

  #countChange(slot: number): boolean {
    const count = (this.#changes[slot] ?? 0) + 1;
    this.#changes[slot] = count >= IMAGE_EVERY ? 0 : count;
    return count >= IMAGE_EVERY;
  }

  /** Counters start spread out: after a restart not all entities are due at once, and none never. */
  #take(key: string): number {
    const slot = this.#free.pop() ?? this.#used++;
    if (slot >= this.#changes.length) this.#grow();
    this.#slots.set(key, slot);
    this.#changes[slot] = slot % IMAGE_EVERY;
    return slot;
  }

  #grow(): void {
    const lanes = new Uint32Array(this.#lanes.length * 2);
    lanes.set(this.#lanes);
    this.#lanes = lanes;
    const changes = new Uint8Array(this.#changes.length * 2);
    changes.set(this.#changes);
    this.#changes = changes;
  }
}
