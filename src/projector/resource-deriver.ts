/**
 * Shared resources, derived per compile unit with recorded reads.
 *
 * Invariants
 * R1 A unit is compiled again only when an input changed that its last compilation read, or when it has none yet.
 * R2 A resource whose version is the stored one is not a change: nothing after this point hears of it.
 * R3 Resources that a unit no longer gives are removed.
 * R4 A compilation that throws changes nothing: the last good resources stay, the failure is counted and named, and the unit is
 *    tried again when something it read changes.
 */
import { type CompiledResource, type CompileInputs, type CompileUnit, resourceKey } from '../compile/index.ts';
import type { DerivedChanges, ServiceUnits } from './changes.ts';
import {
  emptyUnit,
  fromStored,
  type Output,
  sameList,
  storedOf,
  toStored,
  type Unit,
  type UnitPair,
} from './compile-units.ts';
import type { ResourceFacts } from './records.ts';
import { type InputScope, namespaceOf, ReadRecorder, scopeOfInput } from './unit-reads.ts';

/** `compileService` of compile. */
export type CompileService = (unit: CompileUnit, service: string, inputs: CompileInputs) => readonly CompiledResource[];

export interface ResourceDeriverOptions {
  readonly compile: CompileService;
  readonly inputs: CompileInputs;
  /** Version and size of a stored resource, as committed. */
  readonly storedResource: (key: string) => ResourceFacts | undefined;
  readonly onFailure: (service: string, unit: CompileUnit, error: unknown) => void;
}

const UNITS: readonly CompileUnit[] = ['config', 'endpoints'];
const BIT_OF: Readonly<Record<CompileUnit, number>> = { config: 1, endpoints: 2 };
const BOTH = 3;

export class ResourceDeriver {
  readonly #options: ResourceDeriverOptions;
  readonly #recorder: ReadRecorder;
  readonly #pairs = new Map<string, UnitPair>();
  readonly #namespaces = new Map<string, Set<string>>();
  /** Foreign input -> `<bit of the unit><service>` of the units that read it. */
  readonly #readers = new Map<string, Set<string>>();
  readonly #failed = new Set<string>();
  /** Bytes of all shared resources: what a full push would send. */
  sharedBytes = 0;
  /** Compilations done, and resources that came out changed. */
  readonly counters = { compiled: 0, changed: 0, removed: 0, failures: 0 };

  constructor(options: ResourceDeriverOptions) {
    this.#options = options;
    this.#recorder = new ReadRecorder(options.inputs);
  }

  /** Units whose last compilation failed. */
  get failedUnits(): ReadonlySet<string> {
    return this.#failed;
  }

  /** Services with units. */
  get size(): number {
    return this.#pairs.size;
  }

  /** Takes in a stored service, at start. */
  load(service: string, units: ServiceUnits): void {
    const pair = { config: fromStored(units.config), endpoints: fromStored(units.endpoints) };
    this.#add(service, pair);
    for (const unit of UNITS) this.#indexForeign(service, unit, [], pair[unit].foreign);
  }

  /** Keys of all resources there are. */
  *resourceKeys(): Iterable<string> {
    for (const pair of this.#pairs.values()) {
      for (const unit of UNITS) for (const { key } of pair[unit].outputs) yield key;
    }
  }

  *services(): Iterable<string> {
    yield* this.#pairs.keys();
  }

  /**
   * Compiles what the changed inputs touch, into `into`. Yields after each unit, so that the caller can let others have a turn;
   * the state behind `inputs` must not change before the end.
   */
  *derive(inputs: Iterable<string>, into: DerivedChanges): Generator<void> {
    for (const [service, units] of this.#touched(inputs)) {
      for (const unit of UNITS) {
        if ((units & BIT_OF[unit]) === 0) continue;
        this.#compile(service, unit, into);
        yield;
      }
      this.#settle(service, into);
    }
  }

  /** Service -> bits of its units (R1). */
  #touched(inputs: Iterable<string>): Map<string, number> {
    const touched = new Map<string, number>();
    const touch = (service: string, bits: number): void => {
      if (bits !== 0) touched.set(service, (touched.get(service) ?? 0) | bits);
    };
    for (const input of inputs) {
      const scope = scopeOfInput(input);
      if (scope === undefined) continue;
      for (const service of this.#within(scope)) touch(service, this.#readersIn(service, scope.bit));
      for (const reader of this.#readers.get(scope.foreign) ?? []) touch(reader.slice(1), Number(reader[0]));
      if (input.startsWith('svc:')) touch(input.slice(4), this.#newcomer(input.slice(4)));
    }
    return touched;
  }

  #within(scope: InputScope): Iterable<string> {
    switch (scope.of) {
      case 'service':
        return [scope.service];
      case 'namespace':
        return this.#namespaces.get(scope.namespace) ?? [];
      case 'all':
        return this.#pairs.keys();
    }
  }

  #readersIn(service: string, bit: number): number {
    const pair = this.#pairs.get(service);
    if (pair === undefined) return 0;
    return ((pair.config.own & bit) !== 0 ? 1 : 0) | ((pair.endpoints.own & bit) !== 0 ? 2 : 0);
  }

  #newcomer(service: string): number {
    return !this.#pairs.has(service) && this.#options.inputs.service(service) !== undefined ? BOTH : 0;
  }

  #compile(service: string, name: CompileUnit, into: DerivedChanges): void {
    const recorder = this.#recorder;
    recorder.begin(service);
    let compiled: readonly CompiledResource[] | undefined;
    try {
      compiled = this.#options.compile(name, service, recorder);
      this.#failed.delete(`${name} ${service}`);
    } catch (error) {
      this.#failed.add(`${name} ${service}`);
      this.counters.failures++;
      this.#options.onFailure(service, name, error);
    }
    this.counters.compiled++;
    const pair = this.#pairs.get(service) ?? this.#add(service, { config: emptyUnit(), endpoints: emptyUnit() });
    const unit = pair[name];
    const before = unit.outputs;
    this.#noteReads(service, name, unit, into);
    if (compiled === undefined) return;
    unit.outputs = this.#compare(before, compiled, into);
    const isSameSet =
      before.length === unit.outputs.length && before.every((old, at) => old.key === unit.outputs[at]?.key);
    if (!isSameSet) {
      this.#removeMissing(before, unit.outputs, into);
      into.units.set(service, undefined);
    }
  }

  /** Reads differ: stored again, and the inverse index follows. */
  #noteReads(service: string, name: CompileUnit, unit: Unit, into: DerivedChanges): void {
    const { own, foreign: read } = this.#recorder;
    const foreign = read.size === 0 ? [] : [...read].sort();
    if (unit.own === own && sameList(unit.foreign, foreign)) return;
    this.#indexForeign(service, name, unit.foreign, foreign);
    unit.own = own;
    unit.foreign = foreign;
    into.units.set(service, undefined);
  }

  /** R2 */
  #compare(before: readonly Output[], compiled: readonly CompiledResource[], into: DerivedChanges): readonly Output[] {
    return compiled.map((resource, at) => {
      const key = resourceKey(resource.type, resource.variant, resource.name);
      const known = before[at]?.key === key ? before[at] : before.find((output) => output.key === key);
      // In a rebuild the resource may be stored without its unit.
      const stored = known?.facts ?? this.#options.storedResource(key);
      const facts = { version: resource.version, bytes: resource.body.length };
      this.#count(resource.variant, resource.type, facts.bytes - (known === undefined ? 0 : (stored?.bytes ?? 0)));
      if (stored?.version !== resource.version) {
        this.counters.changed++;
        into.resources.set(key, storedOf(resource));
        into.keys.add(key);
      }
      if (known === undefined) return { key, facts };
      known.facts = facts;
      return known;
    });
  }

  /** What everybody would hold after a full push: no short names of single namespaces, no `local`. */
  #count(variant: string, type: string, bytes: number): void {
    if (variant === '' && type !== 'local') this.sharedBytes += bytes;
  }

  /** R3 */
  #removeMissing(before: readonly Output[], after: readonly Output[], into: DerivedChanges): void {
    const kept = new Set(after.map((output) => output.key));
    for (const { key, facts } of before) {
      if (kept.has(key)) continue;
      const [type = '', variant = ''] = key.split('|', 2);
      this.#count(variant, type, -((facts ?? this.#options.storedResource(key))?.bytes ?? 0));
      this.counters.removed++;
      into.resources.set(key, undefined);
      into.keys.add(key);
    }
  }

  /** Writes down what `#compile` marked; a service without resources and without a registration is forgotten. */
  #settle(service: string, into: DerivedChanges): void {
    const pair = this.#pairs.get(service);
    if (pair === undefined) return;
    const hasOutputs = pair.config.outputs.length > 0 || pair.endpoints.outputs.length > 0;
    if (!hasOutputs && this.#options.inputs.service(service) === undefined) {
      this.#drop(service, pair);
      into.units.set(service, undefined);
    } else if (into.units.has(service)) {
      into.units.set(service, { config: toStored(pair.config), endpoints: toStored(pair.endpoints) });
    }
  }

  #add(service: string, pair: UnitPair): UnitPair {
    this.#pairs.set(service, pair);
    const namespace = namespaceOf(service);
    const members = this.#namespaces.get(namespace);
    if (members === undefined) this.#namespaces.set(namespace, new Set([service]));
    else members.add(service);
    return pair;
  }

  #drop(service: string, pair: UnitPair): void {
    this.#pairs.delete(service);
    for (const unit of UNITS) {
      this.#indexForeign(service, unit, pair[unit].foreign, []);
      this.#failed.delete(`${unit} ${service}`);
    }
    const members = this.#namespaces.get(namespaceOf(service));
    members?.delete(service);
    if (members?.size === 0) this.#namespaces.delete(namespaceOf(service));
  }

  #indexForeign(service: string, unit: CompileUnit, before: readonly string[], after: readonly string[]): void {
    const reader = `${BIT_OF[unit]}${service}`;
    for (const input of before) {
      const readers = this.#readers.get(input);
      readers?.delete(reader);
      if (readers?.size === 0) this.#readers.delete(input);
    }
    for (const input of after) {
      const readers = this.#readers.get(input);
      if (readers === undefined) this.#readers.set(input, new Set([reader]));
      else readers.add(reader);
    }
  }
}
