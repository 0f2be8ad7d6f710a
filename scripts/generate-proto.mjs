// Generates src/proto/generated/envoy.{js,d.ts}, one static protobufjs module with the Envoy messages that Tendril uses, and envoy.json,
// the same types for reflection (tests; nothing loads it at run time). Beside them api.json: all types that a raw resource may hold,
// with their .proto field names, read when the first one is put (src/proto/json).
//
// Inputs: the .proto files of @grpc/grpc-js-xds, src/proto/extra/*.proto, src/proto/envoy-1.40.patch.json (missing fields, dropped
// fields, roots). Everything not reachable from a root is left out. Properties carry the proto3 JSON name of their field
// (`consecutive5xx`), 64-bit numbers are plain numbers, map keys are written sorted (equal messages give equal bytes), unknown
// fields are skipped. A stamp over all inputs makes an unchanged run a matter of milliseconds: the heavy modules are only imported
// when there is work. Usage: node scripts/generate-proto.mjs [--force]
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { apiTypes } from './api-types.mjs';
import { applyPatch, dropFields, emptyRoot, extraFiles, fail, includeDirs, patchFile, root } from './proto-sources.mjs';

const outDir = join(root, 'src/proto/generated');
const outputs = ['envoy.js', 'envoy.d.ts', 'envoy.json', 'api.json'].map((name) => join(outDir, name));
const stampFile = join(outDir, 'stamp.txt');

function stampOfInputs() {
  const hash = createHash('sha256');
  const scripts = [
    import.meta.url,
    new URL('proto-sources.mjs', import.meta.url),
    new URL('api-types.mjs', import.meta.url),
  ];
  for (const file of [...scripts.map((url) => fileURLToPath(url)), patchFile, ...extraFiles])
    hash.update(readFileSync(file)).update('\0');
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  for (const name of ['protobufjs', 'protobufjs-cli', '@grpc/grpc-js-xds']) {
    const entry = lock.packages[`node_modules/${name}`];
    hash.update(`${name} ${entry.version} ${entry.integrity}\n`);
  }
  return hash.digest('hex');
}

/** Loads every file of the packages that hold a root or a type of the patch, with imports, into one reflection root. */
function loadProtos(protobuf, patch) {
  const loaded = emptyRoot(protobuf);
  const files = new Set(extraFiles);
  const patched = [...patch.fields, ...patch.messages.flatMap((message) => message.fields)];
  for (const name of [...patch.roots, ...patched.map((field) => field.type)]) {
    const parts = name.split('.');
    const dir = parts
      .slice(
        0,
        Math.max(
          0,
          parts.findIndex((part) => /^[A-Z]/.test(part)),
        ),
      )
      .join('/');
    if (dir === '' || dir === 'google/protobuf') continue;
    for (const include of includeDirs) {
      if (!existsSync(join(include, dir))) continue;
      for (const file of readdirSync(join(include, dir)))
        if (file.endsWith('.proto')) files.add(join(include, dir, file));
    }
  }
  for (const name of ['any', 'struct', 'duration', 'timestamp', 'empty', 'wrappers'])
    files.add(`google/protobuf/${name}.proto`);
  loaded.loadSync([...files], { keepCase: true });
  return loaded;
}

/** Everything reachable from the roots, as the JSON of a new reflection root with full type names and proto3 JSON property names. */
function trim(protobuf, loaded, roots) {
  const reached = new Set();
  const visit = (item) => {
    if (reached.has(item)) return;
    reached.add(item);
    if (!(item instanceof protobuf.Type)) return;
    for (const field of item.fieldsArray) if (field.resolve().resolvedType) visit(field.resolvedType);
  };
  for (const name of roots) visit(loaded.lookupType(name));

  const json = { edition: 'proto3', nested: {} };
  const names = new Map();
  for (const item of [...reached].sort((a, b) => (a.fullName < b.fullName ? -1 : 1))) {
    let at = json;
    for (const part of item.fullName.slice(1).split('.')) {
      at.nested ??= {};
      at.nested[part] ??= {};
      at = at.nested[part];
    }
    if (item instanceof protobuf.Enum) {
      at.values = item.values;
      continue;
    }
    at.fields = {};
    names.set(item, new Map());
    for (const field of [...item.fieldsArray].sort((a, b) => a.id - b.id)) {
      if (field.options?.proto3_optional) fail(`${field.fullName}: proto3 optional is not handled yet`);
      const name = protobuf.util.jsonName(field.name);
      names.get(item).set(field.name, name);
      at.fields[name] = { type: field.resolvedType?.fullName ?? field.type, id: field.id };
      if (field.map) at.fields[name].keyType = field.keyType;
      else if (field.repeated) at.fields[name].rule = 'repeated';
    }
    for (const oneof of item.oneofsArray) {
      const members = oneof.fieldsArray
        .filter((field) => item.fields[field.name] === field)
        .map((field) => names.get(item).get(field.name));
      if (members.length === 0) continue;
      at.oneofs ??= {};
      at.oneofs[protobuf.util.jsonName(oneof.name)] = { oneof: members };
    }
  }
  return json;
}

/** Helpers that the rewritten functions share; what they replace stood in each of them. */
const helpers = `
const $number = (v) => typeof v === "number" ? v : v.toNumber();
const $reader = (r) => r instanceof $Reader ? r : $Reader.create(r);
const $depth = (q) => { if (q === undefined) return 0; if (q > $Reader.recursionLimit) throw Error("max depth exceeded"); return q; };
const $enter = (r, l) => { if (l === undefined) return r.len; const c = r.pos + l; if (c > r.len) throw RangeError("index out of range"); r.len = c; return c; };
const $leave = (r, c, o) => { if (r.pos !== c) throw RangeError("index out of range"); r.len = o; };
const $set = (m, p) => { if (p) for (const k of Object.keys(p)) if (p[k] != null && k !== "__proto__") m[k] = p[k]; };
`;

/** The static module of protobufjs-cli, made deterministic and half as large (it loads in half the time). */
function rewrite(source, typeCount) {
  let code = source.replace(/^\s+/gm, '');
  // Each rewrite must find what it expects, `expected` times (undefined: at least once): another protobufjs-cli fails here.
  const swap = (pattern, by, expected) => {
    let count = 0;
    code = code.replace(pattern, (...match) => {
      count += 1;
      return typeof by === 'string' ? by : by(...match);
    });
    if (expected === undefined ? count === 0 : count !== expected)
      fail(`${pattern} found ${count} times: protobufjs-cli changed`);
  };
  // Unknown fields are dropped, not carried along.
  swap(/if \(!r\.discardUnknown\) \{[^{}]*\}\n/g, '', typeCount);
  swap(/if \(m\.\$unknowns != null &&[^\n]*\nfor \([^\n]*\)\nw\.raw\(m\.\$unknowns\[i\]\);\n/g, '', typeCount);
  if (/unknowns|discardUnknown/.test(code)) fail('rest of unknown-field handling left');
  // Maps: same entries, same bytes.
  swap(/var ks = (\$Object\.keys\(m\.\w+\))(?=, i = 0)/g, (_all, keys) => `var ks = ${keys}.sort()`);
  // 64-bit numbers are numbers; the mesh has none above 2^53.
  if (/\br\.(u?int|s?fixed|sint)64s\(/.test(code)) fail('packed 64-bit lists are not handled yet');
  swap(/\br\.((?:u?int|s?fixed|sint)64)\(\)/g, (_all, kind) => `$number(r.${kind}())`);
  swap(/\$util\.Long \? \$util\.Long\.from\w+\([^)]*\) : 0/g, '0');
  // Shared beginnings and ends, and no check for own properties: a default on a prototype is never written anyway.
  swap(/ && \$Object\.hasOwnProperty\.call\(m, "\w+"\)/g, '');
  swap(
    /if \(!w\)\nw = \$Writer\.create\(\);\nif \(q === [\s\S]*?exceeded"\);\n/g,
    'w = w || $Writer.create(); q = $depth(q);\n',
    typeCount,
  );
  swap(
    /if \(!\(r instanceof \$Reader\)\)\n[\s\S]*?var c, m([^;]*);\nif \(l === [\s\S]*?r\.len = c;\n\}\n/g,
    (_all, rest) => `r = $reader(r); q = $depth(q); var o = r.len, c = $enter(r, l), m${rest};\n`,
    typeCount,
  );
  swap(/var s = r\.pos;\n/g, '', typeCount);
  swap(/if \(t === z\) \{\n[^}]*\}\n/g, '', typeCount); // proto3 has no groups
  swap(/if \(l !== \$undefined\) \{\n[\s\S]*?missing end group"\);\n/g, '$leave(r, c, o);\n', typeCount);
  swap(/if \(p\)\nfor \(var ks = \$Object\.keys\(p\)[\s\S]*?= p\[ks\[i\]\];\n/g, '$set(this, p);\n', typeCount);
  swap(/function \(r, l, z, q, g\)/g, 'function (r, l, q, g)', typeCount);
  swap(/\$undefined, q \+ 1/g, 'q + 1');
  // One switch over the whole tag instead of number, then wire type; lists and maps exist since the constructor.
  swap(/switch \(t >>>= 3\) \{/g, 'switch (t) {');
  swap(/r\.skipType\(u, q, t\)/g, 'r.skipType(u, q, t >>> 3)');
  swap(/r\.skipType\(t & 7, q, t\)/g, 'r.skipType(t & 7, q, t >>> 3)');
  swap(/case (\d+): \{\nif \(u !== (\d)\)\nbreak;\n/g, (_all, id, wire) => `case ${id * 8 + Number(wire)}: {\n`);
  swap(/case (\d+): \{\nif \(u === 2\) \{([\s\S]*?)if \(u !== (\d)\)\nbreak;\n/g, (_all, id, packed, wire) => {
    return `case ${id * 8 + 2}: case ${id * 8 + Number(wire)}: {\nif (u === 2) {${packed}`;
  });
  swap(/if \(!\(m\.\w+ && m\.\w+\.length\)\)\nm\.\w+ = \[\];\n/g, '');
  swap(/if \(m\.\w+ === \$util\.emptyObject\)\nm\.\w+ = \{\};\n/g, '');
  // An explicit default on the wire may become an own property: encoding leaves it out again.
  swap(/if \((?:[^\n]*\()?\(?v = ([^\n]*)\nm\.(\w+) = v;\nelse\ndelete m\.\2;\n/g, (all, condition, name) => {
    const read = /^(?:\$number\()?r\.\w+\(\)\)?/.exec(condition)?.[0] ?? fail(`cannot read ${all}`);
    return `m.${name} = ${read.startsWith('$number') ? read : read.replace(/\(\)\)$/, '()')};\n`;
  });
  swap(/^(\w+)\.prototype\.(?=[^\n]*\n)/gm, 'P.');
  swap(
    /^(?:const )?(\w+) = function \(p\) \{\n(?:(?:this\.|\$set)[^\n]*\n)*\};\n(?=P\.)/gm,
    (all, name) => `${all}const P = ${name}.prototype;\n`,
  );
  const aliases = new Map();
  const alias = (path) => {
    if (!aliases.has(path)) aliases.set(path, `$${aliases.size}`);
    return aliases.get(path);
  };
  swap(/(\$root(?:\.\w+)+)\.(encode|decode)\(/g, (_all, path, method) => `${alias(path)}.${method}(`);
  swap(/m = g \|\| new \$root(?:\.\w+)*\.(\w+)\(\)/g, (_all, name) => `m = g || new ${name}()`, typeCount);
  swap(/new (\$root(?:\.\w+)+)\(\)/g, (_all, path) => `new ${alias(path)}()`);
  swap(
    /^import \$protobuf from .*\n[\s\S]*?(?=const \$root)/m,
    (head) => `${head}${helpers}let ${[...aliases.values()].join(', ')};\n`,
    1,
  );
  swap(/\nexport \{[^}]*\};/, '', 1);
  const assigned = [...aliases].map(([path, name]) => `${name} = ${path};`).join('\n');
  return `// Generated by scripts/generate-proto.mjs. Do not edit.\n${code}\n${assigned}\n`;
}

const scalars = { bool: 'boolean', string: 'string', bytes: 'Uint8Array' };

/** TypeScript declarations of the generated module: `I<Name>` is what encode takes, `<Name>` what decode gives. */
function declarations(protobuf, trimmed) {
  const lines = [
    '// Generated by scripts/generate-proto.mjs. Do not edit.',
    '/** Collects encoded bytes (protobufjs Writer). */',
    'export interface ProtoWriter { finish(): Uint8Array }',
    '/** Decoding position in a buffer (protobufjs Reader). */',
    'export interface ProtoReader { readonly pos: number; readonly len: number }',
  ];
  const typeOf = (field, given) => {
    const resolved = field.resolvedType;
    if (resolved === null) return scalars[field.type] ?? 'number';
    const parts = resolved.fullName.slice(1).split('.');
    if (given && resolved instanceof protobuf.Type) parts.push(`I${parts.pop()}`);
    return parts.join('.');
  };
  const declareType = (type, pad) => {
    const given = [];
    const taken = [];
    for (const field of type.fieldsArray) {
      const [input, output] = [typeOf(field, true), typeOf(field, false)];
      const key = field.name;
      if (field.map) {
        given.push(`${key}?: { readonly [key: string]: ${input} } | null | undefined`);
        taken.push(`${key}: { [key: string]: ${output} }`);
      } else if (field.repeated) {
        given.push(`${key}?: readonly ${input}[] | null | undefined`);
        taken.push(`${key}: ${output}[]`);
      } else {
        given.push(`${key}?: ${input} | null | undefined`);
        taken.push(`${key}: ${output}${field.partOf || field.resolvedType instanceof protobuf.Type ? ' | null' : ''}`);
      }
    }
    for (const oneof of type.oneofsArray)
      taken.push(`readonly ${oneof.name}: ${oneof.oneof.map((name) => `'${name}'`).join(' | ')} | undefined`);
    lines.push(`${pad}interface I${type.name} {${given.map((text) => ` readonly ${text};`).join('')} }`);
    lines.push(
      `${pad}class ${type.name} { constructor(properties?: I${type.name});${taken.map((text) => ` ${text};`).join('')}`,
    );
    lines.push(`${pad}  static encode(message: I${type.name}, writer?: ProtoWriter): ProtoWriter;`);
    lines.push(`${pad}  static decode(source: ProtoReader | Uint8Array, length?: number): ${type.name}; }`);
  };
  const declareEnum = (item, pad) => {
    const values = Object.entries(item.values).map(([name, value]) => ` readonly ${name}: ${value};`);
    lines.push(`${pad}const ${item.name}: {${values.join('')} };`);
    lines.push(`${pad}type ${item.name} = (typeof ${item.name})[keyof typeof ${item.name}];`);
  };
  const declare = (space, pad) => {
    for (const item of space.nestedArray) {
      if (item instanceof protobuf.Enum) declareEnum(item, pad);
      else {
        if (item instanceof protobuf.Type) declareType(item, pad);
        if (item.nestedArray.length === 0) continue;
        lines.push(`${pad}${pad === '' ? 'export declare ' : ''}namespace ${item.name} {`);
        declare(item, `${pad}  `);
        lines.push(`${pad}}`);
      }
    }
  };
  declare(trimmed, '');
  return `${lines.join('\n')}\n`;
}

const stamp = stampOfInputs();
const fresh =
  existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp && outputs.every((file) => existsSync(file));
if (!fresh || process.argv.includes('--force')) {
  const started = performance.now();
  const { default: protobuf } = await import('protobufjs');
  const { default: pbjs } = await import('protobufjs-cli/pbjs.js');
  const patch = JSON.parse(readFileSync(patchFile, 'utf8'));
  const loaded = loadProtos(protobuf, patch);
  applyPatch(protobuf, loaded, patch);
  dropFields(loaded, patch);
  const json = trim(protobuf, loaded, patch.roots);
  const trimmed = protobuf.Root.fromJSON(json);
  trimmed.resolveAll();
  let typeCount = 0;
  const count = (space) => {
    for (const item of space.nestedArray) {
      if (item instanceof protobuf.Type) typeCount += 1;
      if (item instanceof protobuf.Namespace) count(item);
    }
  };
  count(trimmed);
  const code = await new Promise((resolve, reject) => {
    const off = ['create', 'verify', 'convert', 'delimited', 'typeurl', 'beautify', 'comments', 'service'];
    const options = {
      target: 'static-module',
      wrap: 'esm',
      root: 'tendril',
      lint: '',
      ...Object.fromEntries(off.map((key) => [key, false])),
    };
    pbjs.generate(trimmed, options, (error, output) => (error ? reject(error) : resolve(output)));
  });
  mkdirSync(outDir, { recursive: true });
  const write = (file, text) => {
    const draft = `${file}.${process.pid}.tmp`;
    writeFileSync(draft, text);
    renameSync(draft, file);
  };
  write(outputs[0], rewrite(code, typeCount));
  write(outputs[1], declarations(protobuf, trimmed));
  write(outputs[2], JSON.stringify(json));
  write(outputs[3], JSON.stringify(apiTypes(protobuf, patch)));
  write(stampFile, stamp);
  console.log(`generate-proto: ${typeCount} messages in ${Math.round(performance.now() - started)} ms`);
}
