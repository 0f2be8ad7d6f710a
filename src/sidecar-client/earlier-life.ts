/** What an earlier process held, until it is taken: one by one where it is asked for, or all of it. */
import type { HeldResource } from './config-source.ts';

export type RestoredKind = 'cds' | 'eds' | 'vhds';

/** What was held, and asked for, when an earlier process ended. */
export interface EarlierLife extends Readonly<Record<RestoredKind, readonly HeldResource[]>> {
  readonly hosts: readonly string[];
  readonly clusters: readonly string[];
  /** Its bodies have passed `check` already, and are what they were then. Default false. */
  readonly isChecked?: boolean;
}

const byName = (resources: readonly HeldResource[]): Map<string, HeldResource> =>
  new Map(resources.map((resource) => [resource.name, resource]));

export class UntakenLife {
  readonly #life: EarlierLife;
  readonly #hosts: ReadonlySet<string>;
  readonly #left: Readonly<Record<RestoredKind, Map<string, HeldResource>>>;

  constructor(life: EarlierLife) {
    this.#life = life;
    this.#hosts = new Set(life.hosts);
    this.#left = { cds: byName(life.cds), eds: byName(life.eds), vhds: byName(life.vhds) };
  }

  wasAsked(host: string): boolean {
    return this.#hosts.has(host);
  }

  /** One resource alone, once; undefined: there is none, or it was taken. */
  take(kind: RestoredKind, name: string): EarlierLife | undefined {
    const resource = this.#left[kind].get(name);
    if (resource === undefined) return undefined;
    this.#left[kind].delete(name);
    return { ...this.#life, hosts: [], clusters: [], cds: [], eds: [], vhds: [], [kind]: [resource] };
  }

  rest(): EarlierLife {
    const { cds, eds, vhds } = this.#left;
    return { ...this.#life, cds: [...cds.values()], eds: [...eds.values()], vhds: [...vhds.values()] };
  }
}
