// Fetches programs that tests and the demo use but that are no npm packages, by package name, into .cache/parts/NAME/NAME.
// (`maven` parts: a launcher of that name beside the jars.)
// Usage: node scripts/fetch-parts.mjs [--require] [--lock FILE] [--into DIR] [NAME …]
//        (default: all parts of scripts/parts.lock.json, into .cache/parts)
//
// parts.lock.json pins version and SHA-256 per platform. A part that is there with the pinned checksum costs one line and nothing
// else. What cannot be fetched (offline, no python3, other platform) is one line "missing: why", and exit code 0; with --require or
// CI=true exit code 1. Wrong usage or a lock file that cannot be read: exit code 2. A further part is an entry in the lock file; a further kind of source is a function in `kinds`.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const say = (text) => process.stdout.write(`${text}\n`);

/** What `read` gives; its error is one line and exit code 2. */
function orExit(what, read) {
  try {
    return read();
  } catch (error) {
    say(`fetch-parts: ${what}: ${error.message.split('\n')[0]}`);
    process.exit(2);
  }
}

const { values: options, positionals: wanted } = orExit('usage', () =>
  parseArgs({
    options: { require: { type: 'boolean' }, lock: { type: 'string' }, into: { type: 'string' } },
    allowPositionals: true,
  }),
);
const partsDir = resolve(options.into ?? join(root, '.cache/parts'));
const lockFile = options.lock ?? join(root, 'scripts/parts.lock.json');
const lock = orExit(`lock file ${lockFile}`, () => JSON.parse(readFileSync(lockFile, 'utf8')));
const platform = `${process.platform}-${process.arch}`;

/** Why a part cannot be had: told in one line, no stack. */
class Missing extends Error {}

async function sha256Of(file) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest('hex');
}

const bytesIn = (dir) =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, entry) =>
        sum + (statSync(join(entry.parentPath ?? entry.path, entry.name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );

/** Runs a program; while it runs, one line says how much has arrived in `watched`. */
function run(command, args, { watched, label, env }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
    let errors = '';
    child.stderr.on('data', (chunk) => {
      errors = (errors + chunk).slice(-8192);
    });
    const tty = process.stdout.isTTY === true;
    if (!tty) say(`${label} …`);
    const timer = setInterval(() => {
      if (tty) process.stdout.write(`\r${label} … ${(bytesIn(watched) / 1e6).toFixed(1)} MB `);
    }, 500);
    const end = (finish) => {
      clearInterval(timer);
      if (tty) process.stdout.write('\r\x1b[K');
      finish();
    };
    child.once('error', (error) => end(() => reject(error)));
    child.once('exit', (code) => end(() => resolve({ code, errors })));
  });
}

const python = () =>
  ['python3', 'python'].find(
    (name) => spawnSync(name, ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))']).status === 0,
  );

const kinds = {
  /** A wheel from the Python package index: downloaded by pip, opened by Python's zipfile. Answers the archive and how to open it. */
  async pip(name, part, staging) {
    const interpreter = python() ?? fail('python3 is not installed');
    if (spawnSync(interpreter, ['-m', 'pip', '--version']).status !== 0) fail('pip is not installed (python3 -m pip)');
    const args = [
      '-m',
      'pip',
      'download',
      '--disable-pip-version-check',
      '--no-input',
      '--progress-bar',
      'off',
      '--retries',
      '1',
      '--timeout',
      '20',
    ];
    const target = join(staging, 'download');
    const { code, errors } = await run(
      interpreter,
      [...args, '--no-deps', '--only-binary', ':all:', '--dest', target, `${part.package}==${part.version}`],
      { watched: staging, label: `${name} ${part.version}: downloading ${part.package}`, env: { TMPDIR: staging } },
    );
    if (code !== 0) {
      const last = errors.split('\n').filter((line) => line.startsWith('ERROR'));
      fail(
        `the package index cannot be reached, or has nothing for ${platform} (pip: ${last.at(-1) ?? `exit code ${code}`})`,
      );
    }
    const wheel = readdirSync(target).find((file) => file.endsWith('.whl')) ?? fail('pip downloaded no wheel');
    return {
      found: await sha256Of(join(target, wheel)),
      place: (ready) => {
        const into = join(staging, 'open');
        if (spawnSync(interpreter, ['-m', 'zipfile', '-e', join(target, wheel), into]).status !== 0)
          fail('the wheel cannot be unpacked');
        renameSync(join(into, part.executable), join(ready, name));
      },
    };
  },
  /** A Java program from the Maven repository with all jars it needs; a launcher `NAME CLASS ARGUMENT …` stands for it. */
  async maven(name, part, staging) {
    if (spawnSync('java', ['-version']).status !== 0) fail('java is not installed (version 17 or newer)');
    if (spawnSync('mvn', ['--version']).status !== 0) fail('mvn is not installed');
    const [groupId, artifactId] = part.package.split(':');
    const own = '<groupId>part</groupId><artifactId>part</artifactId><version>1</version><packaging>pom</packaging>';
    const dependency = `<groupId>${groupId}</groupId><artifactId>${artifactId}</artifactId><version>${part.version}</version>`;
    const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>${own}<dependencies><dependency>${dependency}</dependency></dependencies></project>`;
    writeFileSync(join(staging, 'pom.xml'), pom);
    const libs = join(staging, 'libs');
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${libs}`];
    const { code } = await run('mvn', ['-q', '-B', '-f', join(staging, 'pom.xml'), ...goal], {
      watched: staging,
      label: `${name} ${part.version}: downloading ${part.package}`,
    });
    if (code !== 0) fail(`the Maven repository cannot be reached, or lacks ${part.package} ${part.version}`);
    const jars = {};
    for (const file of readdirSync(libs).sort()) jars[file] = await sha256Of(join(libs, file));
    for (const [file, sum] of Object.entries(part.jars))
      if (jars[file] !== sum) fail(`checksum of ${file} is ${jars[file] ?? 'missing'}, pinned is ${sum}: not used`);
    return {
      found: listSum(jars),
      place: (ready) => {
        renameSync(libs, join(ready, 'libs'));
        const launcher = `#!/bin/sh\n# shellcheck disable=SC2086\nexec java $KAFKA_JVM_OPTS -cp "$(dirname "$0")/libs/*" "$@"\n`;
        writeFileSync(join(ready, name), launcher);
      },
    };
  },
};

/** One checksum over a list of files with theirs. */
function listSum(files) {
  const lines = Object.entries(files).map(([file, sum]) => `${sum}  ${file}\n`);
  return createHash('sha256').update(lines.sort().join('')).digest('hex');
}

function fail(why) {
  throw new Missing(why);
}

async function fetchPart(name, part) {
  const home = join(partsDir, name);
  const receipt = join(home, 'receipt.json');
  const pinned =
    part.jars === undefined ? (part.sha256[platform] ?? fail(`no build for ${platform} is known`)) : listSum(part.jars);
  const program = join(home, name);
  if (existsSync(receipt) && existsSync(program)) {
    const { sha256, bytes } = JSON.parse(readFileSync(receipt, 'utf8'));
    if (sha256 === pinned && statSync(program).size === bytes) return say(`${name} ${part.version}: there`);
  }
  const staging = join(partsDir, `.${name}-${process.pid}`);
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  try {
    const { found, place } = await kinds[part.kind](name, part, staging);
    if (found !== pinned) fail(`checksum is ${found}, pinned is ${pinned}: not used`);
    const ready = join(staging, 'ready');
    mkdirSync(ready);
    place(ready);
    chmodSync(join(ready, name), 0o755);
    const check = spawnSync(join(ready, name), part.check.args, { encoding: 'utf8' });
    if (check.status !== 0 || !check.stdout.includes(part.check.prints)) {
      fail(
        `it does not run here: ${(check.stderr || check.error?.message || check.stdout || '').trim().split('\n')[0]}`,
      );
    }
    writeFileSync(
      join(ready, 'receipt.json'),
      JSON.stringify({ version: part.version, sha256: pinned, bytes: statSync(join(ready, name)).size }),
    );
    rmSync(home, { recursive: true, force: true });
    renameSync(ready, home);
    say(`${name} ${part.version}: fetched, checksum as pinned`);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

const strict = options.require === true || process.env.CI === 'true';
let missing = 0;
for (const name of wanted.length > 0 ? wanted : Object.keys(lock)) {
  try {
    await fetchPart(name, lock[name] ?? fail(`unknown part; known: ${Object.keys(lock).join(', ')}`));
  } catch (error) {
    missing += 1;
    say(`${name}: missing: ${error instanceof Missing ? error.message : error.message.split('\n')[0]}`);
  }
}
process.exitCode = missing > 0 && strict ? 1 : 0;
