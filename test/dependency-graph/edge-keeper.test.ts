/** The edge keeper; numbers are the invariants of edge-keeper.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EdgeKeeper, EdgeList, type EdgeRecord, type HolderRow, TextPool } from '../../src/dependency-graph/index.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TTL = 24 * HOUR;
const START = Date.UTC(2026, 0, 1);

const web = { from: 'web.shop', to: 'cart.shop:80' };

const edge = (usedAt: number, more: Partial<EdgeRecord> = {}): EdgeRecord => ({
  ...web,
  declaredBy: [],
  pinned: false,
  denied: false,
  evidence: ['observed', 'subscribed'],
  witnesses: ['sidecar:web-1'],
  firstOffset: 1,
  lastOffset: 7,
  firstSeen: START,
  lastSeen: usedAt,
  usedAt,
  ...more,
});

class Stand {
  readonly pool = new TextPool(100);
  readonly lists = new Map<string, EdgeList>();
  ttl = TTL;
  keeper: EdgeKeeper;

  constructor(edges: readonly EdgeRecord[], watchedSince = 0) {
    this.put(...edges);
    this.keeper = this.start(watchedSince);
  }

  put(...edges: readonly EdgeRecord[]): void {
    for (const one of edges)
      this.lists.set(one.from, (this.lists.get(one.from) ?? EdgeList.EMPTY).with(one.to, one, this.pool));
  }

  readonly graph = {
    callersWithEdges: () => this.lists.keys(),
    edges: (caller: string) => this.lists.get(caller) ?? EdgeList.EMPTY,
    ttlMs: () => this.ttl,
  };

  start(watchedSince: number): EdgeKeeper {
    return new EdgeKeeper(this.graph, { all: watchedSince, callers: [] });
  }

  use(
    now: number,
    more: { readonly requests?: number; readonly errors?: number; readonly lastMs?: number } = {},
  ): boolean {
    return this.keeper.used({ ...web, node: 'web-1', requests: 1, errors: 0, lastMs: now, ...more }, now);
  }

  answered(now: number, rows: readonly HolderRow[] = [], complete = true) {
    this.keeper.holders(rows, complete, now);
    return this.keeper.round(now);
  }
}

const row = (more: Partial<HolderRow>): HolderRow => ({ caller: web.from, nodes: 1, silent: 0, returned: 0, ...more });

test('K2: an edge lives its TTL and a quarter more after its last use', () => {
  const stand = new Stand([edge(START)]);
  assert.deepEqual(stand.answered(START + TTL * 1.25 - 1).expire, []);
  assert.deepEqual(stand.answered(START + TTL * 1.25).expire, [{ ...web, seen: 7 }]);
});

test('K2: what an operator declared, pinned or denied besides does not keep the evidence alive, but for a pin', () => {
  const late = START + TTL * 2;
  assert.equal(new Stand([edge(START, { declaredBy: ['ann'] })]).answered(late).expire.length, 1);
  assert.equal(new Stand([edge(START, { denied: true, deniedBy: ['ann'] })]).answered(late).expire.length, 1);
  assert.equal(new Stand([edge(START, { pinned: true, pinnedBy: ['ann'] })]).answered(late).expire.length, 0);
  assert.equal(new Stand([edge(START, { expired: true })]).answered(late).expire.length, 0);
  assert.equal(new Stand([edge(START, { evidence: [], declaredBy: ['ann'] })]).answered(late).expire.length, 0);
});

test('K1, K2: a use that only the keeper knows is written before anything is taken away', () => {
  const stand = new Stand([edge(START)]);
  stand.use(START + TTL * 1.2);
  const late = START + TTL * 9;
  assert.deepEqual(stand.answered(late), { observe: [], renew: [web], expire: [] });
  stand.put(edge(late));
  assert.deepEqual(stand.answered(late + TTL * 1.25 - 1).expire, []);
  assert.equal(stand.answered(late + TTL * 1.25).expire.length, 1);
});

test('K2: a worker whose clock runs ahead keeps no edge alive', () => {
  const stand = new Stand([edge(START)]);
  stand.use(START + HOUR, { lastMs: START + 1_000 * TTL });
  stand.put(edge(START + HOUR));
  assert.equal(stand.answered(START + HOUR + TTL * 1.25).expire.length, 1);
});

test('K2: while a node that holds its edges does not report use, nothing of its caller ages', () => {
  const stand = new Stand([edge(START), edge(START, { from: 'api.shop' })]);
  const late = START + 3 * TTL;
  const round = stand.answered(late, [row({ nodes: 20, silent: 1 })]);
  assert.deepEqual(round.expire, [{ from: 'api.shop', to: web.to, seen: 7 }]);
  assert.deepEqual(
    stand.answered(late + TTL).expire.map(({ from }) => from),
    ['api.shop'],
  );
  assert.ok(stand.answered(late + TTL * 1.25).expire.some(({ from }) => from === web.from));
});

test('K2: a node that was away with what it holds starts the clock anew', () => {
  const stand = new Stand([edge(START)]);
  assert.deepEqual(stand.answered(START + 2 * TTL, [row({ returned: 1 })]).expire, []);
  assert.equal(stand.answered(START + 3.25 * TTL).expire.length, 1);
});

test('K2: a round in which a worker is missing counts for nobody', () => {
  const stand = new Stand([edge(START)]);
  assert.equal(stand.answered(START + HOUR).expire.length, 0);
  assert.deepEqual(stand.answered(START + 2 * TTL, [], false).expire, []);
  assert.deepEqual(stand.answered(START + 3 * TTL).expire, []);
  assert.equal(stand.answered(START + 3.25 * TTL).expire.length, 1);
});

test('K2: a keeper that begins after a time without watch takes none of that time for silence', () => {
  const stand = new Stand([edge(START)], START + 10 * TTL);
  assert.deepEqual(stand.answered(START + 11 * TTL).expire, []);
  assert.equal(stand.answered(START + 11.25 * TTL).expire.length, 1);
});

test('K3: nothing expires before the workers have answered', () => {
  const stand = new Stand([edge(START)]);
  assert.deepEqual(stand.keeper.round(START + 9 * TTL).expire, []);
});

test('an edge that came back lives twice as long each time, at most eight times', () => {
  for (const [returned, times] of [
    [1, 2],
    [2, 4],
    [3, 8],
  ] as const) {
    const stand = new Stand([edge(START, { returned })]);
    assert.equal(stand.answered(START + TTL * 1.25 * times - 1).expire.length, 0);
    assert.equal(stand.answered(START + TTL * 1.25 * times).expire.length, 1);
  }
});

test('K1: a renewal is written when an eighth of the TTL has passed since the last, and only for a new use', () => {
  const stand = new Stand([edge(START)]);
  stand.use(START + HOUR);
  assert.deepEqual(stand.answered(START + HOUR).renew, []);
  assert.deepEqual(stand.answered(START + 3 * HOUR - 1).renew, []);
  assert.deepEqual(stand.answered(START + 3 * HOUR).renew, [web]);
  // The log has it now.
  stand.put(edge(START + 3 * HOUR));
  assert.deepEqual(stand.answered(START + 3 * HOUR + 1).renew, []);
  assert.deepEqual(stand.answered(START + 9 * HOUR).renew, []);
  stand.use(START + 9 * HOUR);
  assert.deepEqual(stand.answered(START + 9 * HOUR + 1).renew, [web]);
});

test('K1: what was not written yet is written before an orderly end', () => {
  const stand = new Stand([edge(START)]);
  stand.use(START + MINUTE);
  assert.deepEqual(stand.answered(START + 2 * MINUTE).renew, []);
  assert.deepEqual(stand.keeper.flush(START + 2 * MINUTE), [web]);
});

test('K6: an edge that is not there, not as observed, or expired is observed at once and until it is', () => {
  for (const before of [[], [edge(START, { evidence: ['subscribed'] })], [edge(START, { expired: true })]]) {
    const stand = new Stand(before);
    assert.equal(stand.use(START + 1), true);
    assert.equal(stand.use(START + 2), false);
    assert.deepEqual(stand.answered(START + 3).observe, [{ ...web, node: 'web-1' }]);
    stand.put(edge(START + 3));
    assert.deepEqual(stand.answered(START + 4).observe, []);
  }
});

test('K2: a keeper that follows another knows what that one could not see', () => {
  const stand = new Stand([edge(START), edge(START, { from: 'api.shop' })]);
  const late = START + 3 * TTL;
  stand.keeper.holders([row({ silent: 1 })], true, late);
  stand.keeper = new EdgeKeeper(stand.graph, JSON.parse(JSON.stringify(stand.keeper.blindness(late))));
  assert.deepEqual(
    stand.answered(late + TTL).expire.map(({ from }) => from),
    ['api.shop'],
  );
  assert.ok(stand.answered(late + TTL * 1.25).expire.some(({ from }) => from === web.from));
  assert.deepEqual(stand.keeper.blindness(late), { all: 0, callers: [[web.from, late]] });
});

test('K6: what the graph does not take is offered three times and then once an hour, and forgotten when it ends', () => {
  const stand = new Stand([]);
  const offered: number[] = [];
  for (let minute = 1; minute <= 130; minute += 1) {
    const now = START + minute * MINUTE;
    stand.use(now);
    if (stand.answered(now).observe.length > 0) offered.push(minute);
  }
  assert.deepEqual(offered, [1, 2, 3, 63, 123]);
  stand.answered(START + 130 * MINUTE + 4 * HOUR);
  assert.equal(stand.keeper.size, 0);
});

test('K6: the use of a second node is an observation while the edge has one witness', () => {
  const stand = new Stand([edge(START)]);
  const by = (node: string): boolean =>
    stand.keeper.used({ ...web, node, requests: 1, errors: 0, lastMs: START + 1 }, START + 1);
  assert.deepEqual([by('web-1'), by('web-1'), by('web-2'), by('web-3')], [false, false, true, false]);
  const other = new Stand([edge(START, { witnesses: ['sidecar:a', 'sidecar:b'] })]);
  other.use(START + 1);
  assert.equal(other.keeper.used({ ...web, node: 'c', requests: 1, errors: 0, lastMs: 1 }, START + 2), false);
});

test('K5: at most 500 edges expire in a round; the rest with the next', () => {
  const targets = Array.from({ length: 700 }, (_, n) => `s${String(n).padStart(3, '0')}.shop:80`);
  const stand = new Stand(targets.map((to) => edge(START, { to })));
  const { expire } = stand.answered(START + 2 * TTL);
  assert.equal(expire.length, 500);
  for (const { to } of expire) stand.put(edge(START, { to, expired: true }));
  assert.equal(stand.answered(START + 2 * TTL).expire.length, 200);
});

test('rates are averages over the last minutes, and end with the use', () => {
  const stand = new Stand([edge(START)]);
  for (let second = 1; second <= 600; second += 1)
    stand.use(START + second * 1_000, { requests: 10, errors: second % 2 === 0 ? 5 : 0 });
  const rate = stand.keeper.rate(web.from, web.to, START + 600_000);
  assert.ok(rate !== undefined && Math.abs(rate.perSecond - 10) < 0.5, `${rate?.perSecond}`);
  assert.ok(Math.abs(rate.errors - 0.25) < 0.02, `${rate.errors}`);
  const later = stand.keeper.rate(web.from, web.to, START + 600_000 + HOUR);
  assert.ok(later !== undefined && later.perSecond < 0.001);
  assert.equal(stand.keeper.rate('api.shop', web.to, START), undefined);
});

test('an edge that is used no more is forgotten here once the log has its last use', () => {
  const stand = new Stand([edge(START)]);
  stand.use(START + 1);
  stand.put(edge(START + MINUTE));
  stand.answered(START + HOUR);
  assert.equal(stand.keeper.size, 0);
});
