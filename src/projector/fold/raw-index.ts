/** What raw resources there are, by set and by node, and how much they are together: follows the tables, decides nothing. */
import { nodeOfRawKey, setOfRawKey } from '../../model/index.ts';
import type { RawEntity, RawSetEntity } from './raw-entity.ts';

const NONE: ReadonlySet<string> = new Set();

const addTo = (map: Map<string, Set<string>>, key: string, item: string): void => {
  const known = map.get(key);
  if (known === undefined) map.set(key, new Set([item]));
  else known.add(item);
};

const removeFrom = (map: Map<string, Set<string>>, key: string, item: string): void => {
  const known = map.get(key);
  known?.delete(item);
  if (known?.size === 0) map.delete(key);
};

export class RawIndex {
  /** Set -> keys of its resources. */
  private readonly keys = new Map<string, Set<string>>();
  /** Node, percent-encoded -> its sets. */
  private readonly sets = new Map<string, Set<string>>();
  /** Node, percent-encoded -> its resources. */
  private readonly counts = new Map<string, number>();
  /** Of all nodes. */
  count = 0;
  setCount = 0;
  /** Of all bodies. */
  bytes = 0;

  changed(key: string, before: RawEntity | undefined, after: RawEntity | undefined): void {
    this.bytes += (after?.body.length ?? 0) - (before?.body.length ?? 0);
    if ((before === undefined) === (after === undefined)) return;
    const node = nodeOfRawKey(key);
    const step = after === undefined ? -1 : 1;
    this.count += step;
    const ofNode = (this.counts.get(node) ?? 0) + step;
    if (ofNode === 0) this.counts.delete(node);
    else this.counts.set(node, ofNode);
    if (after === undefined) removeFrom(this.keys, setOfRawKey(key), key);
    else addTo(this.keys, setOfRawKey(key), key);
  }

  setChanged(key: string, before: RawSetEntity | undefined, after: RawSetEntity | undefined): void {
    if ((before === undefined) === (after === undefined)) return;
    this.setCount += after === undefined ? -1 : 1;
    if (after === undefined) removeFrom(this.sets, nodeOfRawKey(key), key);
    else addTo(this.sets, nodeOfRawKey(key), key);
  }

  /** Keys of the resources of a set. */
  keysOf(set: string): ReadonlySet<string> {
    return this.keys.get(set) ?? NONE;
  }

  /** @param node percent-encoded */
  setsOf(node: string): ReadonlySet<string> {
    return this.sets.get(node) ?? NONE;
  }

  /** Resources of a node. @param node percent-encoded */
  countOf(node: string): number {
    return this.counts.get(node) ?? 0;
  }
}
