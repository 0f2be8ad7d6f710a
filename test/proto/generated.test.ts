/**
 * The generated module is protobufjs-cli output rewritten by scripts/generate-proto.mjs. Here every message type of it is compared
 * with what protobufjs itself does by reflection on the same types.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { envoy, google, grpc, type ProtoEncoder, xds } from '../../src/proto/index.ts';
import { repositoryRoot } from '../support/root.ts';

const root = protobuf.Root.fromJSON(
  JSON.parse(readFileSync(join(repositoryRoot, 'src/proto/generated/envoy.json'), 'utf8')),
);
root.resolveAll();

const typesIn = (space: protobuf.NamespaceBase): protobuf.Type[] =>
  space.nestedArray.flatMap((item) => [
    ...(item instanceof protobuf.Type ? [item] : []),
    ...(item instanceof protobuf.Namespace ? typesIn(item) : []),
  ]);
const types = typesIn(root);

interface Generated extends ProtoEncoder<object> {
  readonly decode: (bytes: Uint8Array) => object;
}
const generatedOf = (type: protobuf.Type): Generated => {
  let at: unknown = { envoy, google, grpc, xds };
  for (const part of type.fullName.slice(1).split('.')) at = (at as Record<string, unknown>)[part];
  assert.equal(typeof at, 'function', type.fullName);
  return at as Generated;
};

/** Map keys in sorted insertion order, which reflection keeps; no numbers, which objects would move to the front. */
const mapKeys = fc
  .uniqueArray(fc.stringMatching(/^[a-z][a-z0-9._-]{0,8}$/), { maxLength: 3 })
  .map((keys) => keys.sort());

const scalarOf = (name: string): fc.Arbitrary<unknown> => {
  if (name === 'string') return fc.string({ maxLength: 8 });
  if (name === 'bytes') return fc.uint8Array({ maxLength: 8 }).map((array) => Buffer.from(array));
  if (name === 'bool') return fc.boolean();
  if (name === 'double') return fc.double();
  if (name === 'float') return fc.float();
  if (/^u|^fixed/.test(name)) return name.endsWith('64') ? fc.maxSafeNat() : fc.nat(0xffffffff);
  return name.endsWith('64') ? fc.maxSafeInteger() : fc.integer();
};

const fieldValue = (field: protobuf.Field, depth: number): fc.Arbitrary<unknown> => {
  const type = field.resolvedType;
  if (type === null) return scalarOf(field.type);
  return type instanceof protobuf.Enum ? fc.constantFrom(...Object.values(type.values)) : messageOf(type, depth - 1);
};

const messageOf = (type: protobuf.Type, depth: number): fc.Arbitrary<Record<string, unknown>> => {
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  for (const field of type.fieldsArray) {
    if (depth <= 0 && field.resolvedType instanceof protobuf.Type) continue;
    const value = fieldValue(field, depth);
    if (field instanceof protobuf.MapField) {
      assert.equal(field.keyType, 'string', `${field.fullName}: keys of another type need another arbitrary here`);
      fields[field.name] = mapKeys.chain((keys) =>
        fc.tuple(...keys.map(() => value)).map((values) => Object.fromEntries(keys.map((key, i) => [key, values[i]]))),
      );
    } else fields[field.name] = field.repeated ? fc.array(value, { maxLength: 2 }) : value;
  }
  return fc.record(fields, { requiredKeys: [] }).map((message) => {
    // At most one member of a oneof, as a sender would set it.
    for (const oneof of type.oneofsArray) {
      const set = oneof.oneof.filter((name) => Object.hasOwn(message, name));
      for (const name of set.slice(1)) delete message[name];
    }
    return { ...message };
  });
};

const asData = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, item) => (typeof item === 'number' && !Number.isFinite(item) ? String(item) : item)),
  );

test('encode and decode do what protobufjs does by reflection, for every message type', () => {
  assert.ok(types.length > 200, `${types.length} types`);
  for (const type of types) {
    const generated = generatedOf(type);
    const oneofs = new Set(type.oneofsArray.map((oneof) => oneof.name));
    fc.assert(
      fc.property(messageOf(type, 2), (message) => {
        const expected = Buffer.from(type.encode(message).finish());
        const actual = Buffer.from(generated.encode(message).finish());
        assert.ok(
          actual.equals(expected),
          `${type.fullName}: ${actual.toString('hex')} is not ${expected.toString('hex')}`,
        );
        const decoded = generated.decode(expected);
        assert.deepEqual(Buffer.from(generated.encode(decoded).finish()), expected, type.fullName);
        const reflected = type.toObject(type.decode(expected), { longs: Number, arrays: true, objects: true });
        for (const name of oneofs) delete reflected[name];
        assert.deepEqual(asData(decoded), asData(reflected), type.fullName);
      }),
      { numRuns: 8 },
    );
  }
});

test('malformed input throws and never loops, for every message type', () => {
  for (const type of types) {
    const generated = generatedOf(type);
    for (const bad of ['0a', '0aff', '0a05', 'ffffffffffffffffffffff', '0b', '0f']) {
      assert.throws(() => generated.decode(Buffer.from(bad, 'hex')), `${type.fullName} ${bad}`);
    }
  }
});

test('one protobufjs version, the pinned one, on the way of the module', () => {
  const door = fileURLToPath(new URL('../../src/proto/index.js', import.meta.url));
  const program = `import { createRequire } from 'node:module'; await import(${JSON.stringify(door)});
    console.log(JSON.stringify(Object.keys(createRequire(import.meta.url).cache)));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    cwd: repositoryRoot,
  });
  const loaded = (JSON.parse(output) as string[]).filter((file) => file.includes(`${sep}protobufjs${sep}`));
  const home = join(repositoryRoot, 'node_modules/protobufjs') + sep;
  assert.ok(loaded.length > 5, 'protobufjs was not loaded: the test looks at the wrong place');
  assert.deepEqual(
    loaded.filter((file) => !file.startsWith(home)),
    [],
  );
  const manifest = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8'));
  assert.equal(JSON.parse(readFileSync(`${home}package.json`, 'utf8')).version, manifest.dependencies.protobufjs);
});
