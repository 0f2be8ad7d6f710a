/** Requests in line: order, a share of each turn, the bound. Time is what the test says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestLine } from '../../src/delta-xds/request-line.ts';

class Stage {
  now = 0;
  readonly turns: (() => void)[] = [];
  readonly done: number[] = [];
  readonly line = new RequestLine(
    () => this.now,
    (run) => this.turns.push(run),
  );

  /** A request that takes `ms`. */
  request(name: number, ms: number, bytes = 100): void {
    const run = (): void => {
      this.now += ms;
      this.done.push(name);
    };
    if (this.line.busy) {
      this.line.wait(run, bytes);
      return;
    }
    const began = this.line.begin();
    run();
    this.line.end(began);
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
