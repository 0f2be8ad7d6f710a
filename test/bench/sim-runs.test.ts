/** Several runs of the same thing: medians with their lowest and highest run, and goals by how many runs met them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summaryLines, summaryMarkdown, summaryOfRuns } from '../../bench/sim/runs.ts';
import { simResult } from './sim-result.ts';

test('the summary of three runs has the median of each figure, its lowest and highest run', () => {
  const summary = summaryOfRuns([simResult({ noise: 9 }), simResult({ noise: 0 }), simResult({ noise: 2 })]);
  const memory = summary.figures.find(
    ({ section, name }) => section === 'Server' && name === 'RssAnon of all processes',
  );
  assert.deepEqual([memory?.median, memory?.min, memory?.max, memory?.runs], [194, 192, 201, 3]);
  assert.match(summaryMarkdown(summary), /\| RssAnon of all processes \| 194 MB \| 192 MB \| 201 MB \| 3 \|/);
});

test('a goal that one of the runs missed is not met, and what a run has not measured counts for nothing', () => {
  const { lost, unneeded, ...rest } = simResult({ slower: 5 });
  const died = { ...rest, outcome: { status: 'server-died' as const } };
  const summary = summaryOfRuns([simResult(), died]);
  assert.ok(lost && unneeded);
  assert.equal(summary.unfinished, 1);
  assert.equal(summary.figures.find(({ name }) => name === 'resources lost')?.runs, 1);
  assert.deepEqual([summary.goals[0]?.met, summary.goals[0]?.runs], [1, 2]);
  assert.match(summaryLines(summary)[0] ?? '', /^1 of 2 runs did not end$/);
  assert.match(summaryLines(summary).join('\n'), /^MISSED {5}P99 event to sidecar: 180 ms \(60\.\.300\)/m);
});
