/** The compile units of a service in memory, and how they are stored. */
import type { CompiledResource } from '../compile/index.ts';
import type { ResourceFacts, StoredUnit } from './records.ts';
import type { StoredResource } from './types.ts';

/** One resource of a unit; its version and size are read from the store when it is first compared. */
export interface Output {
  readonly key: string;
  facts: ResourceFacts | undefined;
}

export interface Unit {
  own: number;
  foreign: readonly string[];
  outputs: readonly Output[];
}

export interface UnitPair {
  readonly config: Unit;
  readonly endpoints: Unit;
}

export const emptyUnit = (): Unit => ({ own: 0, foreign: [], outputs: [] });
export const fromStored = (unit: StoredUnit): Unit => ({
  own: unit.own,
  foreign: unit.foreign,
  outputs: unit.resources.map((key) => ({ key, facts: undefined })),
});
export const toStored = (unit: Unit): StoredUnit => ({
  own: unit.own,
  foreign: unit.foreign,
  resources: unit.outputs.map((output) => output.key),
});

export const storedOf = (resource: CompiledResource): StoredResource => {
  const { version, body, domains, clusters, eds } = resource;
  return {
    version,
    body,
    ...(domains === undefined ? {} : { domains }),
    ...(clusters === undefined ? {} : { clusters }),
    ...(eds === undefined ? {} : { eds }),
  };
};

export const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((item, index) => item === b[index]);
