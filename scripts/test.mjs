// Runs the compiled test files: node scripts/test.mjs [--soak] [--dist DIR] [PART-OF-PATH …]
// Files are listed one by one because directories and globs mean different things to `node --test` in Node 20, 22 and 24.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const args = process.argv.slice(2);
const soak = args.includes('--soak');
const distAt = args.indexOf('--dist');
const dist = join(root, distAt >= 0 ? args[distAt + 1] : 'dist');
const filters = args.filter((arg, index) => !arg.startsWith('--') && (distAt < 0 || index !== distAt + 1));

const testRoot = join(dist, 'test');
if (!existsSync(testRoot)) {
  process.stderr.write(`No compiled tests in ${relative(root, testRoot)}. Run: npm run build\n`);
  process.exit(1);
}

/** A suite is a folder under test/; a file whose source was deleted is left out. */
const files = readdirSync(testRoot, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(soak ? '.soak.js' : '.test.js'))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  .filter((file) => existsSync(join(root, 'test', relative(testRoot, file).replace(/\.js$/, '.ts'))))
  .filter((file) => filters.length === 0 || filters.some((part) => relative(testRoot, file).includes(part)))
  .sort();

if (files.length === 0) {
  process.stderr.write(`No test file matches ${filters.join(', ') || 'anything'}.\n`);
  process.exit(1);
}

/** Half of the time of most slow files is waiting: one more at a time than there are processors. */
const CONCURRENCY = Math.min(availableParallelism() + 1, 5);
/** Longer than the slowest file on a busy machine: one that hangs fails by name, instead of holding up all. */
const FILE_MS = 600_000;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const hasTimeout = major > 20 || (major === 20 && minor >= 11);

const nodeArgs = [
  '--enable-source-maps',
  '--test',
  ...(soak || !hasTimeout ? [] : [`--test-timeout=${FILE_MS}`]),
  `--test-concurrency=${process.env.TENDRIL_TEST_CONCURRENCY ?? (soak ? 2 : CONCURRENCY)}`,
  `--test-reporter=${join(root, 'scripts/suite-reporter.mjs')}`,
  '--test-reporter-destination=stdout',
  ...files,
];
const child = spawn(process.execPath, nodeArgs, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
