/**
 * Clusters of virtual hosts that one client has refused, by the name of the virtual host. They were pushed ahead of it, so the client has
 * them though nothing of it uses them: whenever the virtual host changes they are looked at (`collect.ts`).
 *
 * Bound: of each name the newest `MAX_SHAPES` refused versions.
 */
import type { Shape } from './shapes.ts';

const MAX_SHAPES = 32;
const NONE: readonly string[] = [];

export class RefusedClusters {
  /** Name -> refused versions, newest last. */
  #names: Map<string, readonly Shape[]> | undefined;

  note(name: string, shape: Shape): void {
    this.#names ??= new Map();
    const others = (this.#names.get(name) ?? []).filter(({ version }) => version !== shape.version);
    this.#names.set(name, [...others, shape].slice(-MAX_SHAPES));
  }

  /** Taken after all: it was refused for what stood beside it. */
  taken(name: string, version: string): void {
    const shapes = this.#names?.get(name);
    if (shapes === undefined) return;
    const left = shapes.filter((shape) => shape.version !== version);
    if (left.length === 0) this.#names?.delete(name);
    else this.#names?.set(name, left);
  }

  /** Of all refused versions of this virtual host. */
  of(name: string): readonly string[] {
    return this.#names?.get(name)?.flatMap(({ clusters }) => clusters ?? NONE) ?? NONE;
  }
}
