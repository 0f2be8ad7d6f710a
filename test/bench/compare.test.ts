/** Reports and comparisons of whole results: what is said first, what is told apart, and what is refused. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { compareResults } from '../../bench/sim/compare/comparison.ts';
import { compareSides, comparisonText, runCompare } from '../../bench/sim/compare/index.ts';
import { writeReports } from '../../bench/sim/report/index.ts';
import type { SimResult } from '../../bench/sim/result.ts';
import { TendrilError } from '../../src/model/index.ts';
import { readPage } from './html-check.ts';
import { simResult } from './sim-result.ts';

const withFolder = async (use: (dir: string) => void | Promise<void>): Promise<void> => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-report-'));
  try {
    await use(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

const reported = async (
  dir: string,
  result: SimResult,
): Promise<{ readonly markdown: string; readonly text: string }> => {
  const paths = await writeReports(dir, result);
  const { text } = readPage(readFileSync(paths.html, 'utf8'));
  return { markdown: readFileSync(paths.markdown, 'utf8'), text };
};

test('a report says what was run, what on-demand saves, and what was missed', () =>
  withFolder(async (dir) => {
    const good = await reported(join(dir, 'good'), simResult());
    for (const said of [good.markdown, good.text]) {
      assert.match(said, /24\.1 KB for its first configuration; the full mesh is 905 KB: 37\.5 times/);
      assert.match(said, /tendril bench sim --profile default --sidecars 200 --seed 1/);
      assert.doesNotMatch(said, /Missed|What to know first|NaN|undefined/);
    }
    const bad = await reported(join(dir, 'bad'), {
      ...simResult({ slower: 5 }),
      outcome: {
        status: 'server-died',
        message: 'the control plane died in mid-run (signal SIGKILL)',
        log: ['last <words>'],
      },
      lost: { sidecars: 2, resources: 3, examples: ['s-1 svc-2'] },
    });
    for (const said of [bad.markdown, bad.text]) {
      assert.match(said, /The control plane died in mid-run \(signal SIGKILL\)\. The figures are those until then/);
      assert.match(said, /Missed: P99 event to sidecar: 300 ms, asked for <= 250 ms/);
      assert.match(said, /3 resources of 2 sidecars are not what the mesh says\. For example s-1 svc-2/);
    }
  }));

test('a run that ended before anything was measured has a report', () =>
  withFolder(async (dir) => {
    const {
      connect: _c,
      churn: _p,
      fullMesh: _f,
      loopLag: _l,
      serverRssAnonMiB: _r,
      ...rest
    } = simResult({ seconds: 0 });
    const { markdown, text } = await reported(dir, { ...rest, phases: [], processes: [], goals: [] });
    assert.match(markdown, /What on-demand saves was not measured/);
    assert.match(text, /nothing was measured/);
    assert.doesNotMatch(text, /NaN|undefined|Infinity/);
  }));

const three = (slower: number): SimResult[] => [1, 2, 3].map((noise) => simResult({ noise, slower }));

test('runs of the same thing are noise; a slower one is worse, and only in what the machine decides', () => {
  const same = compareResults(three(1), three(1).toReversed());
  assert.equal(same.isWorse, false);
  assert.deepEqual(same.differences, []);
  const slower = compareResults(three(1), three(2));
  assert.equal(slower.isWorse, true);
  const verdict = (name: string): string | undefined =>
    slower.figures.find((figure) => `${figure.section}/${figure.name}` === name)?.judgement?.verdict;
  assert.equal(verdict('Propagation/P99'), 'worse');
  assert.equal(verdict('Server/CPU for a change'), 'worse');
  assert.equal(verdict('First configuration/bytes a sidecar, without listener'), 'noise');
  assert.equal(compareResults(three(2), three(1)).isWorse, false);
  assert.match(comparisonText(slower), /P99\s+61 ms\s+121 ms\s+\+98\.4 %\s+WORSE/);
});

/** The server died: figures of a part, and much better ones. */
const cutShort = (): SimResult => ({
  ...simResult({ noise: 4 }),
  outcome: { status: 'server-died', message: 'the control plane died in mid-run (signal SIGKILL)' },
  connect: { sidecars: 200, completed: 0 },
  serverCpuPerChangeMs: 0.1,
  churn: { ...(simResult().churn as NonNullable<SimResult['churn']>), arrived: 900 },
});

test('a run that did not end is not judged, nor is what it did not come to', () => {
  const text = (a: readonly SimResult[], b: readonly SimResult[]): string => comparisonText(compareResults(a, b));
  for (const [a, b] of [
    [[simResult()], [cutShort()]],
    [[cutShort()], [simResult()]],
  ] as const) {
    assert.doesNotMatch(text(a, b), /BETTER|WORSE|CHANGED/);
    assert.match(text(a, b), /nothing is judged: a side has no run that came to its end/);
    assert.equal(compareResults(a, b).isJudged, false);
  }
  const some = compareResults(three(1), [...three(1), cutShort()]);
  assert.deepEqual([some.isJudged, some.isWorse, some.runs, some.unfinished], [true, false, [3, 3], [0, 1]]);
  assert.match(some.warnings.join(), /1 of the 4 runs of B did not end as they should, and are left out/);
});

test('what did not happen has no figure, and is no finding of a run that ended early', () =>
  withFolder(async (dir) => {
    const { markdown } = await reported(dir, cutShort());
    assert.doesNotMatch(markdown, /never arrived\.|\| 0(\.00)? (ms|B) \|/);
    assert.match(markdown, /\| never arrived \| – \|/);
    assert.match(markdown, /200 of 200 sidecars never had their first configuration/);
    const none = { count: 0, p50: 0, p90: 0, p99: 0, max: 0 };
    const hot = { changes: 1, expected: 9, arrived: 0, coalesced: 0, each: none, last: none };
    const figures = compareResults([{ ...simResult(), hot }], [{ ...simResult(), hot }]).figures;
    const section = 'Propagation of the service that all hold';
    assert.deepEqual(
      figures.filter((figure) => figure.section === section).map(({ name }) => name),
      ['changes', 'deliveries', 'coalesced', 'never arrived'],
    );
  }));

test('a mesh where all call nearly everything: what on demand costs is said, not what it spares', () =>
  withFolder(async (dir) => {
    const result = simResult();
    const fullMesh = { ...(result.fullMesh as NonNullable<SimResult['fullMesh']>), bytesPerSidecar: 24_000 };
    const { markdown } = await reported(dir, { ...result, fullMesh });
    assert.match(markdown, /On demand costs all 200 sidecars together 24\.6 KB more/);
    assert.doesNotMatch(markdown, /spared/);
  }));

test('one run a side is said to be weak; what differs between the sides is named', () => {
  const other = simResult();
  const compared = compareResults(
    [simResult()],
    [{ ...other, options: { ...other.options, seed: 2 }, meshHash: 'beef' }],
  );
  assert.deepEqual(
    compared.differences.map(({ what }) => what),
    ['seed', 'hash of the mesh'],
  );
  const text = comparisonText(compared);
  assert.match(text, /warning: One run on a side/);
  assert.match(text, /differs: seed: 1 and 2/);
});

test('folders, lists and files are read; what is no result is refused by name', () =>
  withFolder((dir) => {
    const put = (name: string, content: string): string => {
      mkdirSync(join(dir, name), { recursive: true });
      writeFileSync(join(dir, name, 'result.json'), content);
      return join(dir, name);
    };
    for (const noise of [1, 2, 3]) put(`a/${noise}`, JSON.stringify(simResult({ noise })));
    const single = put('b', JSON.stringify(simResult()));
    assert.deepEqual(compareSides(join(dir, 'a'), `${single},${join(single, 'result.json')}`).runs, [3, 2]);
    const slow = put('c', JSON.stringify(simResult({ slower: 3 })));
    assert.equal(runCompare(single, slow, { format: 'table', exitCode: true }).status, 2);
    assert.equal(runCompare(single, slow, { format: 'table', exitCode: false }).status, 0);
    const { text, status } = runCompare(slow, single, { format: 'json', exitCode: true });
    assert.deepEqual([status, (JSON.parse(text) as { isWorse: boolean }).isWorse], [0, false]);
    const killed = put('killed', JSON.stringify(cutShort()));
    assert.equal(runCompare(single, killed, { format: 'table', exitCode: true }).status, 2);
    assert.equal(runCompare(join(dir, 'a'), `${killed},${single}`, { format: 'table', exitCode: true }).status, 2);
    assert.equal(runCompare(single, killed, { format: 'table', exitCode: false }).status, 0);
    const bad = [
      [join(dir, 'nowhere'), /does not exist/],
      [put('text', 'hello'), /is not JSON/],
      [put('foreign', '{"format":"other/3"}'), /its format is "other\/3", not "tendril-sim\/1"/],
      [put('null', 'null'), /its format is not said/],
      [put('part', JSON.stringify({ format: 'tendril-sim/1' })), /is not whole: options/],
      ...(
        [
          ['seconds', {}],
          ['seconds', [null]],
          ['faults', 'none'],
          ['lost', null],
          ['churn', { changes: 1 }],
          ['churn', { ...simResult().churn, each: {} }],
          ['options', {}],
          ['connect', { sidecars: 1 }],
        ] as const
      ).map(
        ([part, damage], index) =>
          [
            put(`damaged-${index}`, JSON.stringify({ ...simResult(), [part]: damage })),
            new RegExp(`is not whole: ${part} missing or damaged`),
          ] as const,
      ),
      [mkdtempSync(join(dir, 'empty-')), /holds no result\.json/],
      [',', /names nothing/],
    ] as const;
    for (const [path, message] of bad)
      assert.throws(
        () => compareSides(path, single),
        (error) => error instanceof TendrilError && error.code === 'BENCH_RESULT' && message.test(error.message),
        path,
      );
  }));
