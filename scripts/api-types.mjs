// All types that a raw resource may hold: every message and enum of the v3 API of Envoy and of the xDS protos, with the patch, in the
// JSON form of protobufjs (`Root.fromJSON`), names of fields as in the .proto files. Read at run time by src/proto/json.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyPatch, emptyRoot, envoyDir, fail, includeDirs, xdsDir } from './proto-sources.mjs';

/** Files whose imports are all there, transitively; some import protos of other projects that the package does not bring. */
function completeFiles(protobuf, files) {
  const known = new Map();
  const isComplete = (file) => {
    const before = known.get(file);
    if (before !== undefined) return before;
    known.set(file, true);
    const imports = [...readFileSync(file, 'utf8').matchAll(/^import (?:public |weak )?"([^"]+)"/gm)];
    const complete = imports.every(([, name]) => {
      if (name in protobuf.common) return true;
      const dir = includeDirs.find((candidate) => existsSync(join(candidate, name)));
      return dir !== undefined && isComplete(join(dir, name));
    });
    known.set(file, complete);
    return complete;
  };
  return files.filter(isComplete);
}

const protosUnder = (dir) =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.proto'))
    .sort()
    .map((name) => join(dir, name));

/** What a resource or something inside it can be; discovery, admin and other services are not. */
const isWanted = (fullName) =>
  /^\.(envoy\.(?!admin|annotations)|xds\.(?!annotations)|udpa\.type|google\.protobuf\.(Any|Empty|FieldMask|\w+Value)$)/.test(
    fullName,
  );

export function apiTypes(protobuf, patch) {
  const loaded = emptyRoot(protobuf);
  const envoy = protosUnder(join(envoyDir, 'envoy')).filter((file) => /\/v3\//.test(file.replaceAll('\\', '/')));
  const wellKnown = ['any', 'struct', 'duration', 'timestamp', 'empty', 'wrappers', 'field_mask'];
  loaded.loadSync(
    [
      ...completeFiles(protobuf, [...envoy, ...protosUnder(xdsDir)]),
      ...wellKnown.map((name) => `google/protobuf/${name}.proto`),
    ],
    { keepCase: true },
  );
  applyPatch(protobuf, loaded, patch);
  loaded.resolveAll();

  const reached = new Set();
  const visit = (item) => {
    if (reached.has(item)) return;
    reached.add(item);
    if (!(item instanceof protobuf.Type)) return;
    for (const field of item.fieldsArray) if (field.resolve().resolvedType) visit(field.resolvedType);
  };
  const collect = (space) => {
    for (const item of space.nestedArray) {
      if ((item instanceof protobuf.Type || item instanceof protobuf.Enum) && isWanted(item.fullName)) visit(item);
      if (item instanceof protobuf.Namespace) collect(item);
    }
  };
  collect(loaded);

  const json = { edition: 'proto3', nested: {} };
  for (const item of [...reached].sort((a, b) => (a.fullName < b.fullName ? -1 : 1))) {
    let at = json;
    for (const part of item.fullName.slice(1).split('.')) {
      at.nested ??= {};
      at.nested[part] ??= {};
      at = at.nested[part];
    }
    if (item instanceof protobuf.Enum) at.values = item.values;
    else describe(protobuf, item, at);
  }
  return json;
}

function describe(protobuf, type, at) {
  at.fields = {};
  for (const field of [...type.fieldsArray].sort((a, b) => a.id - b.id)) {
    if (field.options?.proto3_optional) fail(`${field.fullName}: proto3 optional is not handled yet`);
    if (field.required) fail(`${field.fullName}: proto2 is not handled`);
    const isScalar = field.resolvedType === null && field.type !== 'string' && field.type !== 'bytes';
    if (field.repeated && !field.map && (isScalar || field.resolvedType instanceof protobuf.Enum) && !field.packed)
      fail(`${field.fullName}: lists that are not packed are not handled`);
    const described = { type: field.resolvedType?.fullName ?? field.type, id: field.id };
    if (field.map) described.keyType = field.keyType;
    else if (field.repeated) described.rule = 'repeated';
    at.fields[field.name] = described;
  }
  for (const oneof of type.oneofsArray) {
    const members = oneof.fieldsArray.filter((field) => type.fields[field.name] === field).map((field) => field.name);
    if (members.length === 0) continue;
    at.oneofs ??= {};
    at.oneofs[oneof.name] = { oneof: members };
  }
}
