/**
 * Somebody who writes: an operator, or a registry's adapter. It sends to some replica, waits for the answer, and sends the same events
 * again when none came, as everybody does who wants them applied once.
 */
import type { SubmitAnswer } from '../../src/ingest/index.ts';
import type { Checks } from './checks.ts';
import type { Replica } from './replica.ts';
import type { RawEvent, Workload } from './workload.ts';
import { Process, type World } from './world.ts';

const GIVE_UP_MS = 2_000;
const RETRY_MS = 40;
/** Answers that leave open whether the events are in the log. */
const AMBIGUOUS: ReadonlySet<string> = new Set([
  'LOG_NO_ANSWER',
  'NO_ANSWER',
  'LOG_CLOSED',
  'LOG_READ_ONLY',
  'CORE_DOWN',
]);

export interface OperatorOptions {
  readonly world: World;
  readonly name: string;
  readonly replicas: readonly Replica[];
  readonly checks: Checks;
  readonly workload: Workload;
  /** Mean of the pause between two requests, ms. */
  readonly pauseMs: number;
}

type Reply = { readonly answer: SubmitAnswer } | { readonly code: string };

export class Operator {
  readonly name: string;
  readonly #options: OperatorOptions;
  readonly #process: Process;
  #resting = false;
  /** Requests that were sent, and sent again. */
  readonly counters = { sent: 0, again: 0, refused: 0 };

  constructor(options: OperatorOptions) {
    this.#options = options;
    this.name = options.name;
    this.#process = new Process(options.name);
  }

  /** Writes these, then goes on with the workload until `rest`. */
  begin(events: readonly RawEvent[]): void {
    const { world } = this.#options;
    world.scheduler.after(0, this.#process, () =>
      world.start(
        (async () => {
          if (events.length > 0) await this.#write(events);
          while (!this.#resting) {
            await this.#sleep(2 * this.#options.pauseMs);
            if (!this.#resting) await this.#write(this.#options.workload.next());
          }
        })(),
      ),
    );
  }

  rest(): void {
    this.#resting = true;
  }

  async #write(events: readonly RawEvent[]): Promise<void> {
    const { world, checks, workload } = this.#options;
    const until = world.now + GIVE_UP_MS;
    world.say(`${this.name} writes ${events.map(({ id, type }) => `${id} ${type}`).join(', ')}`);
    this.counters.sent++;
    for (;;) {
      const reply = await this.#send(events);
      if ('answer' in reply) {
        for (const [at, event] of events.entries()) {
          const told = reply.answer.events[at];
          if (told === undefined) continue;
          checks.acknowledged(event.id, told.offset, told.status);
          workload.saw(event, told.offset);
        }
        world.say(
          `${this.name} has ${reply.answer.events.map(({ offset, status }) => `${offset} ${status}`).join(', ')}`,
        );
        return;
      }
      world.say(`${this.name} hears ${reply.code}`);
      if (!AMBIGUOUS.has(reply.code)) this.counters.refused++;
      if (!AMBIGUOUS.has(reply.code) || world.now > until) return;
      this.counters.again++;
      await this.#sleep(RETRY_MS);
    }
  }

  #send(events: readonly RawEvent[]): Promise<Reply> {
    const { world, replicas } = this.#options;
    const replica = world.choices.pick(replicas);
    const connection = world.network.connect(`${this.name}-${replica.name}`, this.#process, replica.coreProcess);
    return new Promise((resolve) => {
      const done = (reply: Reply): void => {
        connection.a.close();
        resolve(reply);
      };
      connection.a.onClose = () => resolve({ code: 'NO_ANSWER' });
      // An operator does not wait for ever.
      world.scheduler.after(GIVE_UP_MS / 2, this.#process, () => done({ code: 'NO_ANSWER' }));
      if (!replica.coreProcess.alive) {
        connection.a.close();
        world.scheduler.after(1, this.#process, () => resolve({ code: 'CORE_DOWN' }));
        return;
      }
      connection.a.send(() =>
        replica.submit(events, this.name).then(
          (answer) => connection.b.send(() => done({ answer })),
          (error: { readonly code?: string }) => connection.b.send(() => done({ code: error.code ?? String(error) })),
        ),
      );
    });
  }

  #sleep(most: number): Promise<void> {
    const { world } = this.#options;
    return new Promise(
      (resolve) => void world.scheduler.after(world.choices.fraction() * most, this.#process, resolve),
    );
  }
}
