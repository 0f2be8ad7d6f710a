/** Requests in line: order, a share of each turn, the bound. Time is what the test says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Lane, RequestLine } from '../../src/delta-xds/request-line.ts';

class Stage {
  now = 0;
  readonly turns: (() => void)[] = [];
  readonly done: number[] = [];
  readonly line = new RequestLine(
    () => this.now,
    (run) => this.turns.push(run),
  );

  /** Streams that are read no further. */
  readonly unread = new Set<string>();
  readonly #lanes = new Map<string, Lane>();

  lane(stream: string): Lane {
    let lane = this.#lanes.get(stream);
    if (lane === undefined) {
      lane = this.line.lane((reads) => void (reads ? this.unread.delete(stream) : this.unread.add(stream)));
      this.#lanes.set(stream, lane);
    }
    return lane;
  }

  /** A request that takes `ms`; by default of a stream of its own. */
  request(name: number, ms: number, bytes = 100, stream = `stream-${name}`): void {
    this.lane(stream).take(() => {
      this.now += ms;
      this.done.push(name);
    }, bytes);
  }

  turn(): void {
    for (const run of this.turns.splice(0)) run();
  }
}

test('short requests are handled as they come', () => {
  const stage = new Stage();
  for (let name = 0; name < 9; name++) stage.request(name, 1);
  assert.deepEqual(stage.done, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(stage.line.deferred, 0);
  stage.turn();
  assert.equal(stage.line.busy, false);
});

test('beyond its share of a turn the rest waits, in order, and each turn does its share', () => {
  const stage = new Stage();
  for (let name = 0; name < 10; name++) stage.request(name, 4);
  assert.deepEqual(stage.done, [0, 1, 2]);
  assert.equal(stage.line.deferred, 7);
  stage.turn();
  assert.deepEqual(stage.done, [0, 1, 2, 3, 4, 5]);
  stage.request(10, 4);
  assert.equal(stage.done.length, 6, 'who comes later does not overtake');
  for (let turns = 0; turns < 3; turns++) stage.turn();
  assert.deepEqual(stage.done, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  stage.turn();
  assert.equal(stage.line.busy, false);
  assert.equal(stage.turns.length, 0, 'an idle line asks for no turns');
});

test('above the bound of bytes the whole line is done at once, in order', () => {
  const stage = new Stage();
  stage.request(0, 20);
  for (let name = 1; name <= 4; name++) stage.request(name, 20, 4 * 1024 * 1024);
  assert.deepEqual(stage.done, [0]);
  stage.request(5, 20, 1);
  assert.deepEqual(stage.done, [0, 1, 2, 3, 4, 5]);
});

test('lanes take turns: a stream that asks without end delays itself alone', () => {
  const stage = new Stage();
  for (let name = 0; name < 50; name++) stage.request(name, 5, 100, 'flood');
  stage.request(100, 5, 100, 'other');
  stage.turn();
  assert.ok(stage.done.includes(100), `its turn comes before the rest of the flood: ${stage.done}`);
  assert.deepEqual(
    stage.done.filter((name) => name < 100),
    [0, 1, 2],
    'and those of one stream stay in order',
  );
});

test('a stream of which too much waits is read no further until little is left', () => {
  for (const [messages, bytes] of [
    [66, 100],
    [4, 100_000],
  ] as const) {
    const stage = new Stage();
    stage.request(-1, 20, 1, 'busy');
    for (let name = 0; name < messages; name++) stage.request(name, 1, bytes, 'flood');
    assert.deepEqual([...stage.unread], ['flood']);
    assert.equal(stage.line.unread, 1);
    while (stage.turns.length > 0) stage.turn();
    assert.deepEqual([...stage.unread], []);
    assert.equal(stage.done.length, messages + 1);
  }
});

test('a stopped lane has no turn, keeps its order, and delays nobody; a closed one forgets', () => {
  const stage = new Stage();
  stage.lane('slow').stop();
  stage.request(1, 1, 100, 'slow');
  stage.request(2, 1, 100, 'slow');
  stage.request(3, 1, 100, 'other');
  stage.turn();
  assert.deepEqual(stage.done, [3]);
  assert.equal(stage.line.busy, false, 'the others do not wait for it');
  stage.lane('slow').go();
  stage.request(4, 1, 100, 'slow');
  while (stage.turns.length > 0) stage.turn();
  assert.deepEqual(stage.done, [3, 1, 2, 4]);
  stage.lane('slow').stop();
  stage.request(5, 1, 100, 'slow');
  stage.lane('slow').close();
  stage.lane('slow').go();
  while (stage.turns.length > 0) stage.turn();
  assert.deepEqual(stage.done, [3, 1, 2, 4]);
});

test('above the bound of bytes a line of ten thousand is done in order, one after another and none inside another', () => {
  const stage = new Stage();
  stage.request(0, 20);
  for (let name = 1; name <= 10_000; name++) stage.request(name, 1);
  for (let name = 10_001; name <= 10_004; name++) stage.request(name, 1, 5 * 1024 * 1024);
  assert.deepEqual(
    stage.done,
    Array.from({ length: 10_005 }, (_, name) => name),
  );
});

test('a request that brings the line above the bound while others are done nests none of them', () => {
  const stage = new Stage();
  let depth = 0;
  let deepest = 0;
  const take = (stream: string, bytes: number, run = (): void => undefined): void =>
    stage.lane(stream).take(() => {
      depth++;
      deepest = Math.max(deepest, depth);
      run();
      depth--;
    }, bytes);
  stage.request(0, 20);
  take('first', 100, () => take('big', 17 * 1024 * 1024));
  for (let name = 1; name <= 9; name++) take(`stream-${name}`, 100);
  stage.turn();
  assert.equal(deepest, 1);
  assert.equal(stage.line.busy, false, 'all of it is done in this turn');
});

test('what waits in stopped lanes does not hurry the others; it counts again when they go', () => {
  const stage = new Stage();
  stage.lane('slow').stop();
  for (let name = 1; name <= 5; name++) stage.request(name, 20, 4 * 1024 * 1024, 'slow');
  stage.request(6, 20, 100, 'other');
  stage.request(7, 20, 100, 'other');
  stage.request(8, 20, 100, 'third');
  assert.deepEqual(stage.done, [6], 'the rest waits for later turns');
  stage.lane('slow').go();
  assert.deepEqual(stage.done, [6, 7, 8, 1, 2, 3, 4, 5], 'now the bound is exceeded');
});
