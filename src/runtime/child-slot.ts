/** One child process that is started again when it dies, with growing delays, until it is stopped. */
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { TendrilError } from '../model/basics.ts';
import type { HostPort, ServeConfig } from './config.ts';
import type { FromChild, ToChild } from './messages.ts';
import { freshRestarts, nextRestart } from './restart-policy.ts';

export interface ChildSlotOptions {
  readonly name: string;
  readonly worker: number;
  readonly spawn: () => ChildProcess;
  /** Asked at every start: later ones keep the ports of the first. */
  readonly config: () => ServeConfig;
  readonly logger: Logger;
  readonly onReady: (address: HostPort) => void;
  readonly onSilentWorker: (pid: number) => void;
  /** No sidecar is to be served any more; the core goes on, to say why. */
  readonly onOutOfService: (why: string) => void;
  /** Somebody told the child itself to end. */
  readonly onTerminate: () => void;
}

/** A child that dies while it is written to tells so by its exit. */
const sent = (): void => undefined;

export class ChildSlot {
  readonly #options: ChildSlotOptions;
  #child: ChildProcess | undefined;
  #restarts = freshRestarts;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #isReady = false;
  /** The present child has its start message. */
  #isTold = false;
  /** Settles when the first child may begin its work. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Handed over, and not yet sent: Node sends one at a time, and forgets those that wait when the child dies. */
  readonly #given = new Set<Socket>();
  /** Settles the first start. */
  #first: { readonly resolve: (address: HostPort) => void; readonly reject: (error: TendrilError) => void } | undefined;

  constructor(options: ChildSlotOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Its work has begun and has not ended. */
  get isReady(): boolean {
    return this.#isReady && !this.#stopping;
  }

  /** Hands a connection over. */
  give(socket: Socket): void {
    const child = this.#child;
    if (child?.connected !== true) {
      socket.destroy();
      return;
    }
    this.#given.add(socket);
    child.send({ t: 'connection' } satisfies ToChild, socket, { keepOpen: false }, () => this.#given.delete(socket));
  }

  /**
   * Starts the child. Rejects with its own error when this first start fails: then it is not tried again.
   * @param turn until it resolves the child only loads its program; when it rejects, `stop` is called
   */
  start(turn: Promise<unknown> = Promise.resolve()): Promise<HostPort> {
    this.#turn = turn;
    return new Promise((resolve, reject) => {
      this.#first = { resolve, reject };
      this.#run();
    });
  }

  #run(): void {
    const { name, spawn, logger } = this.#options;
    if (this.#stopping) {
      this.#fail(new TendrilError('STOPPED', `${name} was stopped while it started`));
      return;
    }
    const startedAt = performance.now();
    const gone = (how: string): void => {
      this.#child = undefined;
      this.#isReady = false;
      for (const socket of this.#given) socket.destroy();
      this.#given.clear();
      if (this.#first !== undefined)
        this.#fail(
          new TendrilError('CHILD_FAILED', `${name} ended with ${how} before it was ready`, {
            remedy: 'read the log lines above',
          }),
        );
      if (this.#stopping) return;
      const next = nextRestart(this.#restarts, performance.now() - startedAt);
      this.#restarts = next.state;
      logger.warn({ child: name, how, restartMs: next.delayMs }, `${name} ended; starting it again`);
      this.#timer = setTimeout(() => this.#run(), next.delayMs);
    };
    let child: ChildProcess;
    try {
      child = spawn();
    } catch (error) {
      gone(`an error at its start: ${String(error)}`);
      return;
    }
    this.#child = child;
    this.#isTold = false;
    child.on('message', (message) => this.#heard(child, message as FromChild));
    // Without a process there is no exit either (no memory, no process ids left).
    child.on('error', (error) => {
      logger.warn({ child: name, error: String(error) }, `${name}: ${error.message}`);
      if (child.pid === undefined) gone(`an error at its start: ${error.message}`);
    });
    child.once('exit', (code, signal) => gone(signal ?? `code ${code}`));
  }

  #fail(error: TendrilError): void {
    this.#stopping = true;
    this.#first?.reject(error);
    this.#first = undefined;
  }

  #heard(child: ChildProcess, message: FromChild): void {
    const { name, worker, config, logger, onReady, onSilentWorker, onTerminate } = this.#options;
    switch (message.t) {
      case 'listening':
        this.#turn.then(
          () => {
            if (child !== this.#child || !child.connected) return;
            this.#isTold = true;
            child.send(
              { t: 'start', config: config(), worker, again: this.#first === undefined } satisfies ToChild,
              sent,
            );
          },
          () => undefined,
        );
        return;
      case 'ready':
        this.#isReady = true;
        onReady(message.address);
        this.#first?.resolve(message.address);
        this.#first = undefined;
        return;
      case 'fatal': {
        const remedy = message.remedy === undefined ? {} : { remedy: message.remedy };
        if (this.#first !== undefined) this.#fail(new TendrilError(message.code, message.message, remedy));
        else logger.error({ child: name, code: message.code, ...remedy }, message.message);
        return;
      }
      case 'terminate':
        onTerminate();
        return;
      case 'out-of-service':
        this.#options.onOutOfService(message.why);
        return;
      case 'restart-worker':
        onSilentWorker(message.pid);
    }
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Asks the child to stop and waits; after `patienceMs` it is killed. It is not started again. */
  stop(patienceMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    return new Promise((done) => {
      if (child === undefined) return done();
      const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
      child.once('exit', () => {
        clearTimeout(timer);
        done();
      });
      // One that has not begun has nothing to end in order.
      if (child.connected && this.#isTold) child.send({ t: 'stop' } satisfies ToChild, sent);
      else child.kill('SIGKILL');
    });
  }
}
