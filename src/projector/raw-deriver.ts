/**
 * Raw resources of the read model. Each is compared with what is stored; only a difference is written and told: `raw|<rawKey>` when a
 * resource changed, appeared or vanished, `rawset|<rawSetKey>` when the names or the label of a node and type did.
 */
import { setOfRawKey } from '../model/index.ts';
import type { StoredCatalog } from './catalog-deriver.ts';
import type { DerivedChanges } from './changes.ts';
import type { StoredKeys } from './deriver.ts';
import { contentOf, type FoldState } from './fold/index.ts';

export class RawDeriver {
  readonly #fold: FoldState;
  readonly #stored: StoredCatalog;

  constructor(fold: FoldState, stored: StoredCatalog) {
    this.#fold = fold;
    this.#stored = stored;
  }

  /** Yields often. */
  *derive(inputs: Iterable<string>, into: DerivedChanges): Generator<void> {
    for (const input of inputs) {
      if (input.startsWith('raw:')) this.#resource(input.slice(4), into);
      else if (input.startsWith('rawset:')) this.#label(input.slice(7), into);
      else continue;
      yield;
    }
  }

  /** Everything, compared with everything that is stored. */
  *deriveAll(stored: StoredKeys, into: DerivedChanges): Generator<void> {
    for (const key of new Set([...this.#fold.rawKeys(), ...stored.raws()])) {
      this.#resource(key, into);
      yield;
    }
    for (const key of new Set([...this.#fold.rawSetKeys(), ...stored.rawLabels()])) this.#label(key, into);
  }

  #resource(key: string, into: DerivedChanges): void {
    const now = this.#fold.raw(key);
    const stored = this.#stored.rawVersion(key);
    if (stored === now?.version) return;
    into.raw.set(key, now === undefined ? undefined : contentOf(now));
    into.keys.add(`raw|${key}`);
    if (stored === undefined || now === undefined) into.keys.add(`rawset|${setOfRawKey(key)}`);
  }

  #label(key: string, into: DerivedChanges): void {
    const now = this.#fold.rawLabel(key);
    if (this.#stored.rawLabel(key) === now) return;
    into.rawLabels.set(key, now);
    into.keys.add(`rawset|${key}`);
  }
}
