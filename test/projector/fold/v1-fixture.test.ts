/** The kept log of version 1 must fold to what it folded to then, in every later build (issue 3, item 2.1). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createFoldState, FOLD_VERSION } from '../../../src/projector/fold/index.ts';
import { Stored } from './story.ts';
import {
  briefly,
  contentHash,
  entityHash,
  FIXTURE_EXPECTED,
  FIXTURE_MESH,
  FIXTURE_WINDOW,
  type FixtureExpected,
  fixtureRecords,
  servicesWithEndpoints,
} from './v1-log.ts';

/** Versions that store what version 1 had as version 1 did. */
const SAME_ENTITIES: ReadonlySet<number> = new Set([1, 2]);

const expected = JSON.parse(readFileSync(FIXTURE_EXPECTED, 'utf8')) as FixtureExpected;

test('the kept events of version 1 fold to the recorded outcomes and state', () => {
  const fold = createFoldState({ mesh: FIXTURE_MESH, idempotency: FIXTURE_WINDOW });
  const stored = new Stored();
  const outcomes = fixtureRecords().flatMap((record) => fold.apply(record).map(briefly));
  stored.take(fold);
  assert.deepEqual(outcomes, expected.outcomes);
  assert.equal(contentHash(fold, servicesWithEndpoints(stored.entities)), expected.contentHash);
  if (SAME_ENTITIES.has(FOLD_VERSION)) assert.equal(entityHash(stored.entities), expected.entityHash);
});

test('the kept log has every family of events and every way to end', () => {
  const types = new Set(fixtureRecords().map((record) => record.event?.type));
  assert.ok(types.size >= 19, [...types].join(' '));
  const ends = new Set(expected.outcomes.map((line) => line.split(' ').slice(1, 3).join(' ')));
  const due = ['applied', 'duplicate of', 'rejected batch', 'rejected expect', 'rejected E110', 'rejected E201'];
  const more = ['rejected E210', 'rejected E211', 'rejected E301', 'rejected E107', 'rejected not-owner'];
  const bad = ['unreadable', 'schema', 'type', 'mesh', 'subject', 'E107'].map((code) => `quarantined ${code}`);
  for (const end of [...due, ...more, ...bad]) assert.ok(ends.has(end), end);
});
