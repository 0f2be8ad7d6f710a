/** Client session and server session fuzzed together. `TENDRIL_JOINED_SEED`, `TENDRIL_JOINED_COUNT`: the same runs again. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import fc from 'fast-check';
import { faultRun } from '../faults/fault-run.ts';
import { Pair } from './joined-pair.ts';
import { isBad, ROAMING } from './joined-world.ts';

const NAMES = ['a.shop:80', 'b.shop:80', 'c.shop:80'];
const HOSTS = ['a.shop', 'b.shop:80', 'c.shop', ROAMING, 'nobody.shop'];
const TYPES = ['cds', 'eds', 'vhds'] as const;

const seldom = fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) });
const name = fc.constantFrom(...NAMES);
const host = fc.constantFrom(...HOSTS);
/** Of the mesh that the client is not connected to. */
const there = seldom;
const only = <T extends string>(act: T) => fc.record({ act: fc.constant(act) });

const step = fc.oneof(
  { weight: 6, arbitrary: only('up') },
  { weight: 6, arbitrary: only('down') },
  { weight: 3, arbitrary: only('wake') },
  { weight: 2, arbitrary: only('settle') },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('ask' as const), host }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('release' as const), host }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('service' as const), name, there, roams: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      act: fc.constant('spoil' as const),
      name,
      there,
      roams: seldom,
      bad: fc.subarray([...TYPES], { minLength: 1 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('endpoints' as const), name, there }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('gone' as const), name, there }) },
  { weight: 1, arbitrary: only('correct') },
  { weight: 1, arbitrary: only('restart') },
  { weight: 1, arbitrary: only('reconnect') },
  { weight: 1, arbitrary: only('elsewhere') },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const take = (pair: Pair, asked: Set<string>, one: Step): void => {
  const world = 'there' in one && one.there ? pair.otherWorld : pair.world;
  switch (one.act) {
    case 'up':
      pair.stepUp();
      return;
    case 'down':
      pair.stepDown();
      return;
    case 'settle':
      pair.settle();
      return;
    case 'wake':
      pair.wake();
      return;
    case 'ask':
      asked.add(one.host);
      pair.run(pair.client.ask(one.host));
      return;
    case 'release':
      asked.delete(one.host);
      pair.release(one.host);
      return;
    case 'service':
    case 'spoil':
      // The domain leaves the others as it comes.
      if (one.roams)
        for (const other of NAMES)
          if (other !== one.name && world.mesh.hosts.get(other)?.domains?.includes(ROAMING)) world.service(other);
      world.service(one.name, one.roams ? [ROAMING] : [], one.act === 'spoil' ? one.bad : []);
      return;
    case 'endpoints':
      world.endpoints(one.name);
      return;
    case 'gone':
      world.gone(one.name);
      return;
    case 'correct':
      world.correct();
      return;
    case 'restart':
      pair.restart();
      return;
    case 'reconnect':
      pair.connect();
      return;
    case 'elsewhere':
      pair.elsewhere();
      return;
  }
};

/** Gives how often the client refused something. */
const requireEnd = (steps: readonly Step[]): number => {
  const pair = new Pair((type, resource, version) => (isBad(version) ? `unusable ${type} ${resource}` : undefined));
  const asked = new Set<string>();
  for (const world of [pair.world, pair.otherWorld]) for (const each of NAMES.slice(1)) world.service(each);
  pair.connect();
  for (const one of steps) {
    pair.log.push(`# ${JSON.stringify(one)}`);
    take(pair, asked, one);
  }
  try {
    return requireRest(pair, asked, steps);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${pair.log.join('\n')}`);
  }
};

const requireRest = (pair: Pair, asked: ReadonlySet<string>, steps: readonly Step[]): number => {
  pair.settle();
  pair.checkRefused(asked);
  pair.log.push('# correct');
  pair.world.correct();
  pair.settle();
  pair.check(asked);
  pair.checkNothingElse(asked);
  const refused = pair.log.filter((line) => line.includes(' nack '));
  const isSpoiled = steps.some(({ act }) => act === 'spoil');
  assert.deepEqual(
    isSpoiled ? refused.filter((line) => !/ nack (unusable|Only unique values for domains) /.test(line)) : refused,
    [],
  );
  // At rest a new stream costs nothing but the answer that a host whose virtual host was removed has none: the removal had no version.
  const before = pair.log.length;
  pair.connect();
  pair.settle();
  assert.deepEqual(
    pair.log.slice(before).filter((line) => /^< .*@(?!neg-)/.test(line)),
    [],
  );
  return refused.length;
};

export const joinedRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('JOINED', count);
  let refusals = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      refusals += requireEnd(steps);
    }),
    { numRuns: run.count, seed: run.seed, includeErrorInReport: true },
  );
  context.diagnostic(`${run.count} runs, ${refusals} refusals`);
};
