/** What all parts of a simulated mesh share. */
import type { Choices } from './choices.ts';
import type { Mutation } from './mutations.ts';
import type { Network } from './network.ts';
import type { Owner, Scheduler } from './scheduler.ts';
import { EPOCH } from './takeover.ts';
import type { Trace } from './trace.ts';

export const MESH = 'default';

/** An invariant does not hold: the run ends. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}

/** A process that can be killed. */
export class Process implements Owner {
  readonly name: string;
  alive = true;

  constructor(name: string) {
    this.name = name;
  }
}

export class World {
  readonly scheduler: Scheduler;
  readonly choices: Choices;
  readonly network: Network;
  readonly trace: Trace;
  readonly mutation: Mutation | undefined;
  /** What ended the run. */
  failure: unknown;
  #number = 0;

  constructor(parts: Pick<World, 'scheduler' | 'choices' | 'network' | 'trace' | 'mutation'>) {
    this.scheduler = parts.scheduler;
    this.choices = parts.choices;
    this.network = parts.network;
    this.trace = parts.trace;
    this.mutation = parts.mutation;
  }

  get now(): number {
    return this.scheduler.now;
  }

  /** 1, 2, 3, … */
  number(): number {
    return ++this.#number;
  }

  /** ms since the epoch. */
  get wallClock(): number {
    return EPOCH + Math.floor(this.now);
  }

  say(text: string): void {
    this.trace.add(this.now, text);
  }

  /** Notes a failure; the first one ends the run at the end of its turn. */
  fail(error: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.say(`FAILED ${error instanceof Error ? error.message : String(error)}`);
  }

  violated(invariant: string, message: string): void {
    this.fail(new Violation(invariant, message));
  }

  /** Runs something asynchronous that must not fail. */
  start(work: Promise<void>): void {
    work.catch((error: unknown) => this.fail(error));
  }

  kill(process: Process): void {
    process.alive = false;
    this.network.died(process);
  }
}
