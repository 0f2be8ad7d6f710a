import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CompiledResource, CompileInputs, CompileUnit, ServiceView } from '../../src/compile/index.ts';
import type { ResolvedRoute, ResolvedUpstream } from '../../src/model/index.ts';
import { DerivedChanges } from '../../src/projector/changes.ts';
import { type CompileService, ResourceDeriver } from '../../src/projector/resource-deriver.ts';

/** Inputs as plain texts; a change is another text. */
class World {
  readonly services = new Map<string, string>();
  readonly values = new Map<string, string>();
  readonly compiled: string[] = [];

  value(key: string): string {
    return this.values.get(key) ?? '0';
  }

  /** As the fold's: what they give depends on the input keys that stand here. */
  readonly inputs: CompileInputs = {
    mesh: () => ({ name: this.value('mesh'), suffixes: [] }),
    service: (name) => {
      const text = this.services.get(name);
      return text === undefined ? undefined : ({ name: text } as ServiceView);
    },
    endpoints: (service) => [{ size: Number(this.value(`eps:${service}`)), endpoints: () => [] }],
    route: (service, port) => this.document('Route', service, port) as unknown as ResolvedRoute,
    upstream: (service, port) => this.document('Upstream', service, port) as unknown as ResolvedUpstream,
  };

  document(kind: string, service: string, port: number): string {
    const namespace = service.slice(service.lastIndexOf('.') + 1);
    const scopes = ['mesh', `ns:${namespace}`, `svc:${service}`, `svc:${service}:${port}`];
    return scopes.map((scope) => this.value(`doc:${kind}|${scope}`)).join();
  }

  /** What is read depends on the service's text, so reads come and go. */
  readonly compile: CompileService = (unit, service, inputs) => {
    this.compiled.push(`${unit} ${service}`);
    const view = inputs.service(service);
    if (view === undefined) return [];
    const text = view.name;
    const parts: string[] = [text];
    if (text.includes('m')) parts.push(inputs.mesh().name);
    if (unit === 'endpoints' || text.includes('e')) parts.push(String(inputs.endpoints(service)[0]?.size));
    if (unit === 'config') parts.push(String(inputs.route(service, 80)));
    if (text.includes('u')) parts.push(String(inputs.upstream(service, 80)));
    for (const other of ['a.x', 'b.y']) {
      if (text.includes(other[0] ?? '') && other !== service) {
        parts.push(
          inputs.service(other)?.name ?? 'none',
          String(inputs.route(other, 81)),
          String(inputs.endpoints(other)[0]?.size),
        );
      }
    }
    const resource = (name: string): CompiledResource => ({
      type: unit === 'config' ? 'cds' : 'eds',
      variant: '',
      name: `${service}:${name}`,
      version: `${unit}/${parts.join('/')}`,
      body: new Uint8Array(parts.length),
    });
    return text.includes('2') ? [resource('80'), resource('81')] : [resource('80')];
  };
}

const deriverOf = (world: World, stored: ReadonlyMap<string, string>, failing?: Set<string>): ResourceDeriver =>
  new ResourceDeriver({
    compile: (unit, service, inputs) => {
      const compiled = world.compile(unit, service, inputs);
      if (failing?.has(service) === true) throw new Error('cannot');
      return compiled;
    },
    inputs: world.inputs,
    storedResource: (key) => {
      const version = stored.get(key);
      return version === undefined ? undefined : { version, bytes: 1 };
    },
    onFailure: () => undefined,
  });

const apply = (deriver: ResourceDeriver, changed: Iterable<string>, stored: Map<string, string>): DerivedChanges => {
  const into = new DerivedChanges();
  for (const _ of deriver.derive(changed, into)) {
    // To the end.
  }
  for (const [key, resource] of into.resources) {
    if (resource === undefined) assert.ok(stored.delete(key), `${key} was there`);
    else assert.notEqual(stored.get(key), resource.version, 'R2: an equal version is no change');
    if (resource !== undefined) stored.set(key, resource.version);
  }
  assert.deepEqual([...into.keys].sort(), [...into.resources.keys()].sort());
  return into;
};

/** What there should be: everything compiled anew. */
const fresh = (world: World): Record<string, string> => {
  const all: Record<string, string> = {};
  for (const service of world.services.keys()) {
    for (const unit of ['config', 'endpoints'] as const satisfies CompileUnit[]) {
      for (const resource of world.compile(unit, service, world.inputs))
        all[`${resource.type}||${resource.name}`] = resource.version;
    }
  }
  return all;
};

const names = ['a.x', 'b.y', 'c.x', 'd.y'];
const inputKeys = [
  'mesh',
  ...names.map((name) => `eps:${name}`),
  ...['Route', 'Upstream'].flatMap((kind) => [
    `doc:${kind}|mesh`,
    `doc:${kind}|ns:x`,
    `doc:${kind}|ns:y`,
    ...names.flatMap((name) => [`doc:${kind}|svc:${name}`, `doc:${kind}|svc:${name}:80`, `doc:${kind}|svc:${name}:81`]),
  ]),
];
const step = fc.oneof(
  fc.record({ key: fc.constantFrom(...inputKeys), value: fc.constantFrom('1', '2', '3') }),
  fc.record({
    service: fc.constantFrom(...names),
    text: fc.option(fc.constantFrom('-', 'm', 'e', 'u2', 'ab', 'a2m', 'bu'), { nil: undefined }),
  }),
);

test('R1, R2, R3: incremental derivation gives what compiling everything gives, also across restarts', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 25 }),
      fc.nat(4),
      (rounds, restartAt) => {
        const world = new World();
        const stored = new Map<string, string>();
        const units = new Map<string, Parameters<ResourceDeriver['load']>[1]>();
        let deriver = deriverOf(world, stored);
        for (const [index, round] of rounds.entries()) {
          const changed = new Set<string>();
          for (const change of round) {
            if ('key' in change) {
              world.values.set(change.key, change.value);
              changed.add(change.key);
            } else {
              if (change.text === undefined) world.services.delete(change.service);
              else world.services.set(change.service, change.text);
              changed.add(`svc:${change.service}`);
            }
          }
          const into = apply(deriver, changed, stored);
          for (const [service, pair] of into.units) {
            if (pair === undefined) units.delete(service);
            else units.set(service, pair);
          }
          assert.deepEqual(
            Object.fromEntries([...stored].sort()),
            Object.fromEntries(Object.entries(fresh(world)).sort()),
          );
          if (index % 5 === restartAt) {
            deriver = deriverOf(world, stored);
            for (const [service, pair] of units) deriver.load(service, pair);
          }
          assert.deepEqual([...deriver.resourceKeys()].sort(), [...stored.keys()].sort());
        }
      },
    ),
  );
});

test('R1: only units that read a changed input are compiled', () => {
  const world = new World();
  const stored = new Map<string, string>();
  world.services.set('a.x', '-').set('b.y', 'a').set('c.x', 'm');
  const deriver = deriverOf(world, stored);
  const compiledBy = (...changed: string[]): string[] => {
    world.compiled.length = 0;
    apply(deriver, changed, stored);
    return world.compiled.sort();
  };
  compiledBy('svc:a.x', 'svc:b.y', 'svc:c.x');
  assert.deepEqual(compiledBy('eps:c.x'), ['endpoints c.x']);
  assert.deepEqual(compiledBy('eps:a.x'), ['config b.y', 'endpoints a.x', 'endpoints b.y']);
  assert.deepEqual(compiledBy('mesh'), ['config c.x', 'endpoints c.x']);
  assert.deepEqual(compiledBy('doc:Route|svc:c.x:80'), ['config c.x']);
  assert.deepEqual(compiledBy('doc:Route|svc:a.x:99'), ['config a.x', 'config b.y', 'endpoints b.y']);
  assert.deepEqual(compiledBy('doc:Upstream|mesh'), []);
  assert.deepEqual(compiledBy('doc:Dependency|svc:a.x', 'edges:a.x', 'eps:nobody.x'), []);
});

test('R4: a compilation that throws keeps the last good resources and is tried again', () => {
  const world = new World();
  const stored = new Map<string, string>();
  const failing = new Set<string>();
  world.services.set('a.x', '-');
  const deriver = deriverOf(world, stored, failing);
  apply(deriver, ['svc:a.x'], stored);
  const good = [...stored];
  failing.add('a.x');
  world.services.set('a.x', 'e');
  apply(deriver, ['svc:a.x'], stored);
  assert.deepEqual([...stored], good);
  assert.deepEqual([...deriver.failedUnits].sort(), ['config a.x', 'endpoints a.x']);
  failing.clear();
  apply(deriver, ['svc:a.x'], stored);
  assert.equal(deriver.failedUnits.size, 0);
  assert.deepEqual(Object.fromEntries(stored), fresh(world));
});
