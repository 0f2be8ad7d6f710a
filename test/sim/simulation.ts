/**
 * One run of a small mesh from one seed: a log, two replicas, sidecars, operators, and faults.
 *
 * First the *safety* part: work and faults go on, and what may never happen is looked for after every step. Then the *liveness* part: the
 * faults stop, and within `QUIET_MS` everything has to come to rest, in the state it should be in.
 */
import { Checks } from './checks.ts';
import { Choices } from './choices.ts';
import { Faults } from './faults.ts';
import { LogServer } from './log-server.ts';
import { MemoryDisk } from './memory-disk.ts';
import type { Mutation } from './mutations.ts';
import { Network } from './network.ts';
import { Operator } from './operator.ts';
import { Oracle } from './oracle.ts';
import { Replica } from './replica.ts';
import { checkReplay, checkReplicas, checkSidecars } from './rest.ts';
import { Scheduler } from './scheduler.ts';
import { Sidecar } from './sidecar.ts';
import { takeOver } from './takeover.ts';
import { Trace } from './trace.ts';
import { CLUSTERS, HOSTS, nameOf, SERVICES, Workload } from './workload.ts';
import { Process, World } from './world.ts';

/** Simulated time of the first part. */
const BUSY_MS = 500;
/** Longer than every retry, gate and alarm of the code that runs here. */
const QUIET_MS = 8_000;
/** A run that takes more turns goes in circles. */
const MAX_TURNS = 200_000;

export interface RunOptions {
  readonly seed: number;
  readonly mutation?: Mutation;
}

export interface RunResult {
  readonly seed: number;
  /** Undefined: all invariants held. */
  readonly failure: unknown;
  /** Over the whole trace: equal digests, equal runs. */
  readonly digest: string;
  readonly tail: readonly string[];
  readonly turns: number;
  readonly events: number;
  readonly faults: number;
  readonly counters: Checks['counters'];
}

export const simulate = async ({ seed, mutation }: RunOptions): Promise<RunResult> => {
  const scheduler = new Scheduler();
  const choices = new Choices(seed);
  const trace = new Trace();
  const network = new Network({ scheduler, choices });
  const world = new World({ scheduler, choices, network, trace, mutation });
  const giveBack = takeOver(scheduler, choices);
  try {
    const oracle = new Oracle(world);
    const checks = new Checks(world, oracle);
    const logDisk = new MemoryDisk('log', choices.id());
    const server = new LogServer(world, logDisk, () => oracle.follow(logDisk));
    const replicas = [0, 1].map((number) => {
      const disk = new MemoryDisk(`state-${number}`, choices.id());
      return new Replica({ world, number, disk, server, checks });
    });
    const sidecars = Array.from({ length: choices.between(2, 4) }, (_, at) => {
      const service = SERVICES[at % 3] ?? '';
      return new Sidecar({
        world,
        name: `sidecar-${at}`,
        caller: at === 3 ? 'guest.pay' : nameOf(service),
        endpoint: `${service}-${at + 1}`,
        replicas,
        checks,
      });
    });
    const workload = new Workload(choices);
    const operators = Array.from({ length: choices.between(1, 3) }, (_, at) => {
      const pauseMs = choices.pick([8, 20, 40]);
      return new Operator({ world, name: `operator-${at}`, replicas, checks, workload, pauseMs });
    });
    for (const [at, operator] of operators.entries()) operator.begin(at === 0 ? workload.beginning() : []);
    const faults = new Faults(world, { server, replicas, sidecars }, choices.pick([12, 30, 80, 600]));
    const applications = new Process('applications');
    callNow(world, applications, sidecars);
    const poisonAt = choices.fraction() * BUSY_MS;
    scheduler.after(poisonAt, server.process, () => server.append([workload.poison() as never], () => undefined));

    const runUntil = async (until: number): Promise<void> => {
      try {
        while (world.failure === undefined && (await scheduler.turn(until)))
          if (scheduler.turns > MAX_TURNS) world.violated('I8', `${MAX_TURNS} turns, and no end`);
      } catch (error) {
        // Something threw that nobody caught: with the seed it can be looked at.
        world.fail(error);
      }
    };
    await runUntil(BUSY_MS);
    world.say('quiet');
    applications.alive = false;
    faults.stop();
    for (const operator of operators) operator.rest();
    await runUntil(BUSY_MS + QUIET_MS / 2);
    // A host whose virtual host came with an edge, and went with it, is asked for with the next call.
    for (const sidecar of sidecars) sidecar.callAgain();
    await runUntil(BUSY_MS + QUIET_MS);
    if (world.failure === undefined) {
      oracle.follow(logDisk);
      oracle.compare(logDisk);
      checkReplicas(world, oracle, replicas);
      checkReplay(world, oracle);
      await checkSidecars(world, sidecars);
    }
    return {
      seed,
      failure: world.failure,
      digest: trace.digest(),
      tail: trace.tail(60),
      turns: scheduler.turns,
      events: oracle.through,
      faults: faults.happened,
      counters: checks.counters,
    };
  } finally {
    giveBack();
  }
};

/** Applications call hosts, now and then a cluster by its name. */
const callNow = (world: World, owner: Process, sidecars: readonly Sidecar[]): void => {
  const { scheduler, choices } = world;
  scheduler.after(choices.fraction() * 40, owner, () => {
    const sidecar = choices.pick(sidecars);
    if (choices.chance(10)) sidecar.askCluster(choices.pick(CLUSTERS));
    else sidecar.ask(choices.pick(HOSTS));
    callNow(world, owner, sidecars);
  });
};
