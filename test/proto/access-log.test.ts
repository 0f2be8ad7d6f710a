/** The readers of access logs and load reports, against Envoy's own .proto files, and against whatever a stranger may send. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { TendrilError } from '../../src/model/index.ts';
import {
  type AccessLogEntry,
  AccessLogMessage,
  decodeLoadReport,
  emptyEntry,
  LOAD_STATS_RESPONSE,
} from '../../src/proto/index.ts';
import {
  type EntryInput,
  httpEntry,
  type LogsInput,
  loadMessage,
  logsMessage,
  readLoadAnswer,
  tcpEntry,
} from '../support/use-messages.ts';

const readAll = (bytes: Uint8Array): { message: AccessLogMessage; entries: AccessLogEntry[] } => {
  const message = new AccessLogMessage(bytes);
  const entries: AccessLogEntry[] = [];
  while (message.next()) {
    const entry = emptyEntry();
    message.read(entry);
    entries.push(entry);
  }
  return { message, entries };
};

const only = (input: LogsInput): AccessLogEntry => {
  const { entries } = readAll(logsMessage(input));
  assert.equal(entries.length, 1);
  return entries[0] ?? emptyEntry();
};

const word = fc.stringMatching(/^[a-z0-9.:/~-]{1,40}$/);
const FLAGS = { noHealthyUpstream: 2, upstreamConnectionFailure: 6, noRouteFound: 9, dnsResolutionFailure: 27 };
const TYPES = { DownstreamEnd: 6, DownstreamPeriodic: 5, DownstreamStart: 4, UpstreamEnd: 9 };
const input: fc.Arbitrary<EntryInput> = fc.record(
  {
    cluster: word,
    route: word,
    authority: word,
    status: fc.integer({ min: 100, max: 599 }),
    grpcStatus: fc.integer({ min: 0, max: 16 }).map(String),
    flags: fc.subarray(Object.keys(FLAGS)),
    type: fc.constantFrom(...Object.keys(TYPES)),
    streamId: word,
    startedMs: fc.integer({ min: 0, max: 2_000_000_000 }).map((seconds) => seconds * 1_000),
  },
  { requiredKeys: [] },
);

const wanted = (given: EntryInput, tcp: boolean): AccessLogEntry => ({
  ...emptyEntry(),
  tcp,
  upstreamCluster: given.cluster ?? '',
  routeName: given.route ?? '',
  authority: tcp ? '' : (given.authority ?? ''),
  streamId: given.streamId ?? '4e9aab2f-6d5e-4c7a-9d6a-8c0c3ad6d0a4',
  startedMs: given.startedMs ?? 0,
  type: given.type === undefined ? (tcp ? 3 : 6) : TYPES[given.type as keyof typeof TYPES],
  intermediate: given.type !== undefined && (tcp || given.type !== 'DownstreamEnd'),
  flags: (given.flags ?? []).reduce((mask, flag) => mask | (1 << FLAGS[flag as keyof typeof FLAGS]), 0),
  responseCode: tcp ? 0 : (given.status ?? 0),
  grpcStatus: tcp || given.grpcStatus === undefined ? -1 : Number(given.grpcStatus),
});

/** Nothing but our own errors, and within the message: `read` is called for every entry that the message says it has. */
const survives = (read: () => unknown): void => {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof TendrilError, String(error));
    assert.ok(error.code === 'XDS_MALFORMED' || error.code === 'XDS_LIMIT', error.code);
  }
};

const mutated = (bytes: Buffer, changes: readonly (readonly [number, number])[], cut: number): Buffer => {
  const copy = Buffer.from(bytes);
  for (const [at, value] of changes) if (copy.length > 0) copy[at % copy.length] = value;
  return copy.subarray(0, copy.length - (cut % (copy.length + 1)));
};
const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 });
const cut = fc.oneof(fc.constant(0), fc.nat());

describe('access logs', () => {
  test('entries are read as they were written, HTTP and TCP, in order', () => {
    fc.assert(
      fc.property(fc.array(input, { maxLength: 8 }), fc.boolean(), (given, tcp) => {
        const entries = given.map(tcp ? tcpEntry : httpEntry);
        const read = readAll(logsMessage(tcp ? { tcp: entries } : { http: entries }));
        assert.equal(read.message.count, given.length);
        assert.deepEqual(
          read.entries,
          given.map((one) => wanted(one, tcp)),
        );
      }),
    );
  });

  test('the identifier is in the first message of a stream, and only there', () => {
    const first = new AccessLogMessage(logsMessage({ node: { id: 'a', cluster: 'web.shop' }, logName: 'x', http: [] }));
    assert.deepEqual([first.node?.id, first.node?.cluster, first.logName, first.count], ['a', 'web.shop', 'x', 0]);
    const later = new AccessLogMessage(logsMessage({ http: [httpEntry({})] }));
    assert.deepEqual([later.node, later.logName, later.count], [undefined, '', 1]);
  });

  test('a status among the headers of an answer without a body counts as one in the trailers', () => {
    const entry = httpEntry({ status: 200 }) as { response: Record<string, unknown> };
    entry.response.responseHeaders = { 'grpc-status': '14', other: '3' };
    assert.equal(only({ http: [entry] }).grpcStatus, 14);
    entry.response.responseHeaders = { 'grpc-status': 'fourteen' };
    assert.equal(only({ http: [entry] }).grpcStatus, -1);
  });

  test('texts that are no names are left out and said to be odd; the rest of the entry counts', () => {
    for (const authority of ['a'.repeat(256), 'bücher.example']) {
      const entry = only({ http: [httpEntry({ authority, cluster: 'a.b:80', status: 200 })] });
      assert.deepEqual(
        [entry.authority, entry.odd, entry.upstreamCluster, entry.responseCode],
        ['', true, 'a.b:80', 200],
      );
    }
    assert.equal(only({ http: [httpEntry({ authority: 'a'.repeat(255) })] }).odd, false);
    assert.equal(only({ http: [httpEntry({ streamId: 's'.repeat(200) })] }).streamId, '');
  });

  test('more than 100,000 entries in a message are refused', () => {
    const body = Buffer.alloc(2 * 100_001, Buffer.of(0x0a, 0x00));
    const head = Buffer.of(0x12, 0xc2, 0x9a, 0x0c);
    assert.throws(() => new AccessLogMessage(Buffer.concat([head, body])), { code: 'XDS_LIMIT' });
    assert.equal(new AccessLogMessage(Buffer.concat([Buffer.of(0x12, 4), body.subarray(0, 4)])).count, 2);
  });

  test('whatever bytes come, nothing is thrown but XDS_MALFORMED and XDS_LIMIT', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => survives(() => readAll(bytes))),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.array(input, { minLength: 1, maxLength: 3 }), changes, cut, (given, at, less) => {
        const bytes = logsMessage({ node: { id: 'a' }, http: given.map(httpEntry) });
        survives(() => readAll(mutated(bytes, at, less)));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('load reports', () => {
  const count = fc.nat(1_000_000);
  const locality = fc.record({
    totalSuccessfulRequests: count,
    totalRequestsInProgress: count,
    totalErrorRequests: count,
    totalIssuedRequests: count,
  });
  const report = fc.array(
    fc.record({
      clusterName: word,
      upstreamLocalityStats: fc.array(locality, { maxLength: 3 }),
      totalDroppedRequests: count,
    }),
    { maxLength: 5 },
  );

  test('localities are added up by cluster', () => {
    fc.assert(
      fc.property(report, (clusterStats) => {
        const { clusters, node } = decodeLoadReport(loadMessage({ clusterStats }));
        assert.equal(node, undefined);
        const sum = (list: readonly Record<string, number>[], key: string): number =>
          list.reduce((total, one) => total + (one[key] ?? 0), 0);
        assert.deepEqual(
          clusters,
          clusterStats.map(({ clusterName, upstreamLocalityStats, totalDroppedRequests }) => ({
            cluster: clusterName,
            issued: sum(upstreamLocalityStats, 'totalIssuedRequests'),
            succeeded: sum(upstreamLocalityStats, 'totalSuccessfulRequests'),
            failed: sum(upstreamLocalityStats, 'totalErrorRequests'),
            dropped: totalDroppedRequests,
            inProgress: sum(upstreamLocalityStats, 'totalRequestsInProgress'),
          })),
        );
      }),
    );
  });

  test('the node, and the bound on clusters', () => {
    assert.equal(decodeLoadReport(loadMessage({ node: { id: 'n' } })).node?.id, 'n');
    const clusterStats = Array.from({ length: 10_001 }, () => ({ clusterName: 'a.b:80' }));
    assert.equal(decodeLoadReport(loadMessage({ clusterStats: clusterStats.slice(1) })).clusters.length, 10_000);
    assert.throws(() => decodeLoadReport(loadMessage({ clusterStats })), { code: 'XDS_LIMIT' });
  });

  test('the answer asks for all clusters every 10 s', () => {
    assert.deepEqual(readLoadAnswer(LOAD_STATS_RESPONSE), {
      loadReportingInterval: { seconds: 10 },
      sendAllClusters: true,
    });
  });

  test('whatever bytes come, nothing is thrown but XDS_MALFORMED and XDS_LIMIT', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => survives(() => decodeLoadReport(bytes))),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(report, changes, cut, (clusterStats, at, less) =>
        survives(() => decodeLoadReport(mutated(loadMessage({ node: { id: 'a' }, clusterStats }), at, less))),
      ),
      { numRuns: 2_000 },
    );
  });
});
