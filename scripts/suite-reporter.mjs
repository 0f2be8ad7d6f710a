// Reporter for node --test: one line per test file with its time, each failure whole, every skip with its reason, a table of
// suites against their budgets, and last the runner's own summary.
import { relative, sep } from 'node:path';

/** Seconds of all its files on 2 cores, three of them at a time; a suite is a folder under test/. Over budget is printed, not failed: machines differ. */
const BUDGETS = {
  e2e: 480,
  log: 90,
  kafka: 240,
  store: 60,
  projector: 220,
  'delta-xds': 160,
  contracts: 60,
  compile: 60,
  proto: 40,
  support: 30,
  runtime: 520,
  cli: 150,
  admin: 60,
  ingest: 60,
  faults: 320,
  model: 40,
  'dependency-graph': 40,
  'sidecar-client': 60,
  agent: 40,
  bench: 40,
  sim: 110,
  scripts: 40,
};
const DEFAULT_BUDGET = 20;
/** So many of the slowest files are named: where a second can be saved. */
const SLOWEST = 12;

const suiteOf = (file) => {
  const parts = relative(process.cwd(), file).split(sep);
  const at = parts.indexOf('test');
  return parts.length - at > 2 ? parts[at + 1] : 'repository';
};

/** The error and what caused it (the assertion behind a property that failed). */
const errorText = (error) => {
  const texts = [];
  for (let each = error?.cause ?? error; each != null && texts.length < 4; each = each.cause)
    texts.push(String(each.stack ?? each.message ?? each));
  return texts.join('\ncaused by: ');
};

export default async function* suiteReporter(source) {
  const suites = new Map();
  const summary = [];
  const seen = new Map();
  const failures = [];
  const seeds = new Map();
  for await (const { type, data } of source) {
    if (type === 'test:pass' || type === 'test:fail') {
      const file = data.file;
      if (file !== undefined) {
        const entry = seen.get(file) ?? { pass: 0, fail: 0, skip: 0, ms: 0 };
        seen.set(file, entry);
        const leaf = data.details?.type !== 'suite';
        if (data.skip !== undefined && data.skip !== false) {
          entry.skip++;
          yield `SKIPPED  ${data.name}: ${data.skip === true ? 'no reason given' : data.skip}\n`;
        } else if (leaf && data.nesting >= 0) {
          if (type === 'test:pass') entry.pass++;
          else entry.fail++;
        }
        if (data.nesting === 0) entry.ms += data.details?.duration_ms ?? 0;
      }
      if (type === 'test:fail' && data.details?.error?.failureType !== 'subtestsFailed') {
        const [reason] = errorText(data.details?.error).split('\n', 1);
        failures.push({ file, line: data.line ?? '', name: data.name, reason });
        yield `\nFAILED   ${data.name}\n         ${file ?? ''}:${data.line ?? ''}\n${errorText(data.details?.error)}\n\n`;
      }
    } else if (type === 'test:stderr' || type === 'test:stdout') {
      if (/seed/i.test(data.message))
        seeds.set(data.file, `${seeds.get(data.file) ?? ''}${data.message}`.slice(-1_000));
      if (/SKIPPED|seed/i.test(data.message)) yield data.message.endsWith('\n') ? data.message : `${data.message}\n`;
    } else if (type === 'test:diagnostic' && data.nesting === 0 && data.file === undefined) {
      summary.push(`# ${data.message}\n`);
    }
  }
  for (const [file, entry] of seen) {
    const suite = suites.get(suiteOf(file)) ?? { pass: 0, fail: 0, skip: 0, ms: 0, files: 0 };
    suites.set(suiteOf(file), suite);
    suite.files++;
    for (const key of ['pass', 'fail', 'skip', 'ms']) suite[key] += entry[key];
  }
  yield `\n${'SUITE'.padEnd(20)}${'FILES'.padStart(6)}${'PASS'.padStart(7)}${'FAIL'.padStart(6)}${'SKIP'.padStart(6)}${'SECONDS'.padStart(9)}${'BUDGET'.padStart(8)}\n`;
  for (const [name, suite] of [...suites].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const budget = BUDGETS[name] ?? DEFAULT_BUDGET;
    const seconds = suite.ms / 1000;
    yield `${name.padEnd(20)}${String(suite.files).padStart(6)}${String(suite.pass).padStart(7)}${String(suite.fail).padStart(6)}${String(suite.skip).padStart(6)}${seconds.toFixed(1).padStart(9)}${String(budget).padStart(8)}${seconds > budget ? '  over budget' : ''}\n`;
  }
  const slowest = [...seen].sort(([, a], [, b]) => b.ms - a.ms).slice(0, SLOWEST);
  if (seen.size > SLOWEST) {
    yield '\nSLOWEST FILES\n';
    for (const [file, { ms }] of slowest)
      yield `${(ms / 1000).toFixed(1).padStart(7)} s  ${relative(process.cwd(), file)}\n`;
  }
  yield '\n';
  // Once more at the end: of a long output often only the end is kept.
  for (const { file, line, name, reason } of failures)
    yield `FAILED   ${relative(process.cwd(), file ?? '')}:${line}  ${name}\n         ${reason}\n${seeds.get(file) ?? ''}`;
  for (const line of summary) yield line;
}
