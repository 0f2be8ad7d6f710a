/**
 * The import table (design, section 4; ARCHITECTURE.md): reads every import of src/ and checks who imports whom, and that
 * other folders enter a module only by its index.ts.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** module -> modules it may import, besides itself. */
const TABLE: Readonly<Record<string, readonly string[]>> = {
  model: [],
  proto: ['model'],
  store: ['model'],
  'dependency-graph': ['model'],
  compile: ['model', 'proto'],
  security: ['model', 'proto'],
  telemetry: ['model', 'proto'],
  log: ['model', 'store'],
  audit: ['model', 'store'],
  'delta-xds': ['model', 'proto'],
  'sidecar-client': ['proto', 'store', 'model'],
  agent: ['model', 'proto', 'store', 'sidecar-client'],
  ingest: ['model', 'log'],
  projector: ['model', 'log', 'store', 'dependency-graph', 'compile'],
  admin: ['model'],
  runtime: [
    'model',
    'proto',
    'store',
    'dependency-graph',
    'compile',
    'telemetry',
    'log',
    'audit',
    'delta-xds',
    'ingest',
    'projector',
    'admin',
    'sidecar-client',
  ],
  cli: ['runtime', 'sidecar-client', 'agent', 'model', 'bench/sim'],
};

/** Other doors than `index.ts` alone: what loads little. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  model: ['index.ts', 'basics.ts'],
  'delta-xds': ['index.ts', 'basics.ts'],
  runtime: ['index.ts', 'serving.ts'],
};

/** What an application loads with `tendril/sidecar-client`; each costs it memory, the schema library and YAML most (docs/bench.md). */
const CLIENT_PACKAGES = ['@grpc/grpc-js', 'lmdb', 'protobufjs/minimal.js', 'undici'];

const findRoot = (from: string): string => {
  try {
    readFileSync(join(from, 'package.json'));
    return from;
  } catch {
    return findRoot(dirname(from));
  }
};
const root = findRoot(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'src');

const files = readdirSync(source, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  .filter((file) => !file.includes(`${sep}generated${sep}`));

const importsOf = (text: string): string[] =>
  [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\s[^'";]*?from\s*'([^']+)'|import\(\s*'([^']+)'\s*\)|(?:^|\n)import\s*'([^']+)'/g,
    ),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? '');

/** What `tendril bench` loads: it lies outside of src/, and is entered by its door like a module. */
const SIMULATION = join('bench', 'sim');

const moduleOf = (file: string): string =>
  relative(root, file).startsWith(SIMULATION) ? 'bench/sim' : (relative(source, file).split(sep)[0] ?? '');

const folderOf = (module: string): string => (module === 'bench/sim' ? join(root, SIMULATION) : join(source, module));

test('every module imports only what the table allows, by the door', () => {
  const problems: string[] = [];
  let seen = 0;
  for (const file of files) {
    const from = moduleOf(file);
    if (from.endsWith('.ts')) continue; // src/index.ts is the package's door
    for (const specifier of importsOf(readFileSync(file, 'utf8'))) {
      if (!specifier.startsWith('.')) continue;
      seen++;
      const target = join(dirname(file), specifier);
      const to = moduleOf(target);
      if (to === from) continue;
      const where = `${relative(root, file)} imports ${specifier}`;
      if (!(TABLE[from] ?? []).includes(to)) problems.push(`${where}: ${from} may not import ${to}`);
      else if (!(DOORS[to] ?? ['index.ts']).includes(relative(folderOf(to), target)))
        problems.push(`${where}: enter ${to} by its index.ts`);
    }
  }
  assert.ok(seen > 50, `only ${seen} imports seen: the reader of imports is broken`);
  assert.deepEqual(problems, []);
});

/** Packages that a file and what it imports load at once, and how many files those are. */
const loadedBy = (first: string): { readonly packages: Set<string>; readonly files: number } => {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const load = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    // Imports of types alone are gone when it runs, and what is imported with import() loads when it is needed.
    const text = readFileSync(file, 'utf8').replaceAll(
      /(?:^|\n)\s*(?:import|export) type\s[^;]*;|\bimport\([^)]*\)/g,
      '',
    );
    for (const specifier of importsOf(text)) {
      if (specifier.startsWith('.')) load(join(dirname(file), specifier));
      else if (!specifier.startsWith('node:')) packages.add(specifier);
    }
  };
  load(first);
  return { packages, files: seen.size };
};

test('the supervisor of serve loads its log and nothing else: it stays in memory as long as the mesh lives', () => {
  for (const entry of ['cli/main.ts', 'cli/commands/serve.ts']) {
    const { packages, files } = loadedBy(join(source, entry));
    assert.ok(files > 5, `only ${files} files seen: the reader of imports is broken`);
    assert.deepEqual(
      [...packages].filter((name) => name !== 'pino'),
      [],
      `loaded by ${entry}`,
    );
  }
});

test('the sidecar client loads no package that an application would pay for without need', () => {
  const { packages, files } = loadedBy(join(source, 'sidecar-client', 'index.ts'));
  assert.ok(files > 20, `only ${files} files seen: the reader of imports is broken`);
  assert.ok(packages.has('@grpc/grpc-js'));
  assert.deepEqual(
    [...packages].filter((name) => !CLIENT_PACKAGES.includes(name)),
    [],
    'enter the model by model/basics.ts, and load what is seldom needed with import()',
  );
});

test('model uses no Node built-in', () => {
  const builtins = new Set([...builtinModules, ...builtinModules.map((name) => `node:${name}`)]);
  const problems = files
    .filter((file) => moduleOf(file) === 'model')
    .flatMap((file) =>
      importsOf(readFileSync(file, 'utf8'))
        .filter((name) => builtins.has(name))
        .map((name) => `${relative(root, file)}: ${name}`),
    );
  assert.deepEqual(problems, []);
});

test('every folder of src is in the table', () => {
  const folders = new Set(files.map(moduleOf).filter((name) => !name.endsWith('.ts')));
  assert.deepEqual(
    [...folders].filter((name) => TABLE[name] === undefined),
    [],
  );
});
