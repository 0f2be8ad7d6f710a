/**
 * The kept log of version 1 events (test/fixtures): lines `{offset, recordedAt, event}`, or `raw` where the record is no JSON.
 * Events go through the same upcasting as those of a real log.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LogRecord, upcast } from '../../../src/log/index.ts';
import { canonicalJson, type RecordedEvent } from '../../../src/model/index.ts';
import type { FoldState } from '../../../src/projector/fold/index.ts';
import type { FoldOutcome } from '../../../src/projector/types.ts';
import { repositoryRoot } from '../../support/root.ts';
import { endpointsOf } from './story.ts';

export const FIXTURE_EVENTS = join(repositoryRoot, 'test/fixtures/v1-events.ndjson');
export const FIXTURE_EXPECTED = join(repositoryRoot, 'test/fixtures/v1-expected.json');
export const FIXTURE_MESH = 'kept';
/** Small, so that the kept log is long enough to forget. */
export const FIXTURE_WINDOW = { ms: 60_000, events: 50 };

export interface FixtureLine {
  readonly offset: number;
  readonly recordedAt: number;
  readonly event?: unknown;
  readonly raw?: string;
}

export interface FixtureExpected {
  /** Of the build that wrote it. */
  readonly foldVersion: number;
  /** `<offset> <status>[ <code>][ of <offset of the first>]` */
  readonly outcomes: readonly string[];
  /** SHA-256 of what the state says, in JSON: the same for every build. */
  readonly contentHash: string;
  /** SHA-256 over all entities as stored: the same for every build of that fold version. */
  readonly entityHash: string;
}

const toRecord = ({ offset, recordedAt, event, raw }: FixtureLine): LogRecord => {
  const bytes = Buffer.from(raw ?? JSON.stringify(event));
  if (raw !== undefined) return { offset, recordedAt, event: undefined, unreadable: 'not JSON', bytes };
  const raised = upcast(event);
  if (raised.event === undefined) return { offset, recordedAt, event: undefined, unreadable: raised.unreadable, bytes };
  return { offset, recordedAt, event: { ...raised.event, offset, recordedAt } as RecordedEvent, bytes };
};

export const fixtureRecords = (): LogRecord[] =>
  readFileSync(FIXTURE_EVENTS, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => toRecord(JSON.parse(line) as FixtureLine));

export const briefly = ({ offset, status, code, duplicateOf }: FoldOutcome): string =>
  `${offset} ${status}${code === undefined ? '' : ` ${code}`}${duplicateOf === undefined ? '' : ` of ${duplicateOf}`}`;

/** What the state says of services, endpoints, documents and edges, however it is stored. */
export const contentHash = (fold: FoldState, endpointServices: readonly string[]): string => {
  const content = {
    offset: fold.offset,
    recordedAt: fold.recordedAt,
    suffixes: fold.compileInputs.mesh().suffixes,
    services: [...fold.serviceNames()].map((name) => ({
      view: fold.service(name),
      facets: fold
        .serviceFacets(name)
        .map(({ source, rank, offset, recordedAt }) => ({ source, rank, offset, recordedAt })),
    })),
    endpoints: endpointServices.map((name) => ({
      name,
      endpoints: endpointsOf(fold, name).map((view) => ({
        view,
        offset: fold.subjectOffset(`endpoint/${name.split('.').reverse().join('/')}/${view.id}`),
      })),
    })),
    policies: [...fold.policies()],
    // Without what later versions know of edges beside it.
    edges: [...fold.callersWithEdges()]
      .sort()
      .map((caller) => [...fold.edges(caller)].map(({ usedAt: _usedAt, returned: _returned, ...edge }) => edge)),
  };
  return createHash('sha256').update(canonicalJson(content)).digest('hex');
};

export const entityHash = (entities: ReadonlyMap<string, Uint8Array>): string => {
  const hash = createHash('sha256');
  for (const key of [...entities.keys()].sort()) {
    const bytes = entities.get(key) ?? new Uint8Array();
    hash.update(`${key} ${bytes.length} `).update(bytes);
  }
  return hash.digest('hex');
};

/** Services with endpoints, registered or not. */
export const servicesWithEndpoints = (entities: ReadonlyMap<string, Uint8Array>): string[] => {
  const keys = [...entities.keys()].filter((key) => key.startsWith('eps/'));
  return [...new Set(keys.map((key) => key.slice(4, key.lastIndexOf('/'))))].sort();
};
