// Builds the project: generated protobuf code (only when its inputs changed), then tsc, then the generated code beside the output.
// Usage: node scripts/build.mjs [--out DIR]   (default dist)
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const outAt = process.argv.indexOf('--out');
const out = outAt > 0 ? process.argv[outAt + 1] : 'dist';

const run = (command, args) => {
  const result = spawnSync(process.execPath, [command, ...args], { cwd: root, stdio: 'inherit' });
  if (result.status !== 0) process.exit(result.status ?? 1);
};

run('scripts/generate-proto.mjs', []);
const generated = join(root, 'src/proto/generated');
const target = join(root, out, 'src/proto/generated');
mkdirSync(target, { recursive: true });
cpSync(generated, target, { recursive: true });
run('node_modules/typescript/bin/tsc', [
  '-p',
  'tsconfig.json',
  '--outDir',
  out,
  '--tsBuildInfoFile',
  join(out, '.tsbuildinfo'),
]);
