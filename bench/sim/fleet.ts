/** The client processes of a run: starts them, adds up what they tell. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ClientCounts, ClientShare, FromClient, ToClient } from './client/messages.ts';
import { mostHeld } from './client/versions.ts';
import { type ProcessSample, sampleOf } from './control-plane.ts';

type Tick = Extract<FromClient, { t: 'tick' }>;
type Held = Extract<FromClient, { t: 'held' }>;

const CHILD = fileURLToPath(new URL('./client/process.js', import.meta.url));

export class Fleet {
  readonly #children: ChildProcess[] = [];
  readonly #ticks = new Map<ChildProcess, Tick>();
  readonly completions: number[] = [];
  /** Latest first answer on a stream, monotonic ms. */
  lastAnswered = 0;
  #isStopped = false;

  /** `onArrival`: a change came to a sidecar, at (monotonic ms). `onLost`: a client process ended by itself. */
  constructor(
    shares: readonly ClientShare[],
    onArrival: (change: number, at: number) => void,
    onLost: (how: string) => void,
  ) {
    for (const share of shares) {
      const child = fork(CHILD, [], { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      this.#children.push(child);
      child.on('message', (message: FromClient) => {
        if (message.t !== 'tick') return;
        this.#ticks.set(child, message);
        for (let at = 0; at < message.arrivals.length; at += 2)
          onArrival(message.arrivals[at] ?? 0, message.arrivals[at + 1] ?? 0);
        this.completions.push(...message.completions);
        this.lastAnswered = Math.max(this.lastAnswered, message.lastAnswered);
      });
      child.once('exit', (code, signal) => {
        if (!this.#isStopped) onLost(`a client process ended (${signal ?? code})`);
      });
      this.#say(child, { t: 'start', share });
    }
  }

  #say(child: ChildProcess, message: ToClient): void {
    if (child.connected) child.send(message);
  }

  #sum(read: (tick: Tick) => number): number {
    let sum = 0;
    for (const tick of this.#ticks.values()) sum += read(tick);
    return sum;
  }

  get connected(): number {
    return this.#sum(({ connected }) => connected);
  }

  get completed(): number {
    return this.#sum(({ completed }) => completed);
  }

  get examples(): readonly string[] {
    return [...this.#ticks.values()].flatMap(({ examples }) => examples).slice(0, 10);
  }

  counts(): ClientCounts {
    const of = (name: keyof Omit<ClientCounts, 'bytes'>): number => this.#sum(({ counts }) => counts[name]);
    const bytes = (name: keyof ClientCounts['bytes']): number => this.#sum(({ counts }) => counts.bytes[name]);
    return {
      pushes: of('pushes'),
      resources: of('resources'),
      bytes: {
        cds: bytes('cds'),
        eds: bytes('eds'),
        vhds: bytes('vhds'),
        rds: bytes('rds'),
        lds: bytes('lds'),
        other: bytes('other'),
      },
      resourceBytes: of('resourceBytes'),
      listenerBytes: of('listenerBytes'),
      largestPush: Math.max(0, ...[...this.#ticks.values()].map(({ counts }) => counts.largestPush)),
      foreign: of('foreign'),
      repeated: of('repeated'),
      refused: of('refused'),
      reconnects: of('reconnects'),
    };
  }

  sample(): readonly ProcessSample[] {
    return this.#children.map(({ pid = 0 }) => sampleOf(pid, 'client'));
  }

  /** The largest push is counted anew. */
  mark(): void {
    for (const child of this.#children) this.#say(child, { t: 'mark' });
  }

  /** Asks every client process; resolves when all have answered. */
  #ask<T extends FromClient['t']>(message: ToClient, answer: T): Promise<Extract<FromClient, { t: T }>[]> {
    return Promise.all(
      this.#children.map(
        (child) =>
          new Promise<Extract<FromClient, { t: T }>>((done, fail) => {
            child.on('message', (said: FromClient) => {
              if (said.t === answer) done(said as Extract<FromClient, { t: T }>);
            });
            child.once('exit', () => fail(new Error('a client process ended while it was asked what it holds')));
            this.#say(child, message);
          }),
      ),
    );
  }

  /** Of clusters and virtual hosts that any sidecar depends on: the version that most have. */
  async versions(): Promise<ReadonlyMap<string, string>> {
    const said = await this.#ask({ t: 'versions' }, 'versions');
    return mostHeld(said.map(({ counts }) => counts));
  }

  /**
   * Compares what each sidecar holds with what it should hold: endpoints with `truth`, versions of clusters and virtual hosts with those
   * that most others have, or with `expected`.
   */
  async check(truth: readonly (readonly string[])[], expected?: ReadonlyMap<string, string>): Promise<Omit<Held, 't'>> {
    const versions = expected ?? (await this.versions());
    const answers = await this.#ask({ t: 'check', truth, versions }, 'held');
    return {
      lostSidecars: answers.reduce((sum, { lostSidecars }) => sum + lostSidecars, 0),
      lostResources: answers.reduce((sum, { lostResources }) => sum + lostResources, 0),
      examples: answers.flatMap(({ examples }) => examples).slice(0, 10),
    };
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(
      this.#children.map((child) => {
        if (child.exitCode !== null || child.signalCode !== null) return undefined;
        const gone = new Promise((done) => child.once('exit', done));
        this.#say(child, { t: 'stop' });
        setTimeout(() => child.kill('SIGKILL'), 5_000).unref();
        return gone;
      }),
    );
  }
}
