// The .proto files that generated code is made from, and the patch that raises them to Envoy 1.40 (src/proto/envoy-1.40.patch.json).
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const patchFile = join(root, 'src/proto/envoy-1.40.patch.json');
const extraDir = join(root, 'src/proto/extra');
const depsDir = join(root, 'node_modules/@grpc/grpc-js-xds/deps');
export const envoyDir = join(depsDir, 'envoy-api');
export const xdsDir = join(depsDir, 'xds');
export const includeDirs = [
  ...['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((name) => join(depsDir, name)),
  join(root, 'node_modules/protobufjs'), // google/protobuf/descriptor.proto
];

export const extraFiles = readdirSync(extraDir)
  .filter((name) => name.endsWith('.proto'))
  .sort()
  .map((name) => join(extraDir, name));

export function fail(message) {
  throw new Error(`generate-proto: ${message}`);
}

/** A reflection root that finds imports; nothing is loaded yet. */
export function emptyRoot(protobuf) {
  const loaded = new protobuf.Root();
  loaded.resolvePath = (_origin, target) => {
    if (target in protobuf.common) return target; // Any, Struct, Duration, ...: built into protobufjs
    for (const dir of includeDirs) if (existsSync(join(dir, target))) return join(dir, target);
    return target;
  };
  return loaded;
}

function addUnder(protobuf, loaded, fullName, make) {
  const parts = fullName.split('.');
  const name = parts.pop();
  if (loaded.lookup(fullName) !== null) fail(`${fullName} exists already: take it out of the patch`);
  const parent = loaded.lookup(parts) ?? fail(`parent of ${fullName} not found`);
  if (!(parent instanceof protobuf.Namespace)) fail(`${parts.join('.')} holds no types`);
  parent.add(make(name));
}

function fieldOf(protobuf, { name, number, type, label }) {
  return new protobuf.Field(name, number, type, label === 'repeated' ? 'repeated' : undefined);
}

/** Adds the enums, messages and fields that the .proto files lack. */
export function applyPatch(protobuf, loaded, patch) {
  for (const { name, values } of patch.enums)
    addUnder(protobuf, loaded, name, (short) => new protobuf.Enum(short, values));
  for (const { name, fields } of patch.messages) {
    addUnder(protobuf, loaded, name, (short) => {
      const type = new protobuf.Type(short);
      for (const field of fields) type.add(fieldOf(protobuf, field));
      return type;
    });
  }
  for (const spec of patch.fields) {
    const type = loaded.lookupType(spec.message);
    if (type.fields[spec.name] !== undefined || type.fieldsById[spec.number] !== undefined) {
      fail(`${spec.message}.${spec.name} (${spec.number}) exists already: take it out of the patch`);
    }
    const field = fieldOf(protobuf, spec);
    if (spec.oneof === undefined) type.add(field);
    else (type.oneofs[spec.oneof] ?? fail(`${spec.message} has no oneof ${spec.oneof}`)).add(field);
  }
}

/** Takes out the fields that Tendril never wants to decode. */
export function dropFields(loaded, patch) {
  for (const { message, name } of patch.drop) {
    const type = loaded.lookupType(message);
    type.remove(type.fields[name] ?? fail(`${message}.${name} not found: take it out of the patch`));
  }
  loaded.resolveAll();
}
