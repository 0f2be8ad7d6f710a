// npm run check: types, Biome, import rule, unused code. Each step is named; the first failing one ends the run.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const steps = [
  ['types (build)', ['scripts/build.mjs']],
  ['Biome', ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings']],
  ['import rule', ['--enable-source-maps', '--test', 'dist/test/architecture.test.js']],
  ['unused code (knip)', ['node_modules/knip/bin/knip.js']],
];
for (const [name, args] of steps) {
  process.stdout.write(`check: ${name}\n`);
  const result = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: name === 'import rule' ? 'pipe' : 'inherit',
    encoding: 'utf8',
  });
  if (result.status !== 0) {
    if (result.stdout) process.stdout.write(result.stdout);
    process.stdout.write(`check: ${name} FAILED\n`);
    process.exit(1);
  }
}
process.stdout.write('check: all passed\n');
