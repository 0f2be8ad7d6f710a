/** What the two kinds of child processes of `serve` share: start message, stop message, fatal errors, an orphan's end. */
import type { Socket } from 'node:net';
import { TendrilError } from '../../model/index.ts';
import type { HostPort, ServeConfig } from '../config.ts';
import type { FromChild, ToChild } from '../messages.ts';

export interface ChildWork {
  readonly address: HostPort;
  /** A connection that the supervisor accepted. */
  accept?(socket: Socket): void;
  stop(): Promise<void>;
}

/** Runs `start` when the supervisor's start message comes, and `stop` at its stop message or when the supervisor is gone. */
export const runChild = (
  start: (config: ServeConfig, worker: number, again: boolean) => Promise<ChildWork>,
  options: { readonly onTerm: 'end-serve' | 'ignore' },
): void => {
  let work: ChildWork | undefined;
  let ending = false;
  const say = (message: FromChild): Promise<void> =>
    new Promise((done) => {
      if (process.send === undefined || !process.connected) return done();
      process.send(message, undefined, {}, () => done());
    });
  const end = async (): Promise<void> => {
    if (ending) return;
    ending = true;
    await work?.stop();
    process.exit(0);
  };
  const fatal = async (error: unknown): Promise<void> => {
    const known = error instanceof TendrilError;
    await say({
      t: 'fatal',
      code: known ? error.code : 'START_FAILED',
      message: known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error),
      remedy: known ? error.remedy : undefined,
    });
    process.exit(1);
  };
  process.on('message', (message: ToChild, socket: Socket | undefined) => {
    if (message.t === 'stop') void end();
    else if (message.t === 'connection') {
      // It may have been closed on the way.
      if (socket !== undefined) work?.accept?.(socket);
    } else if (work === undefined)
      start(message.config, message.worker, message.again).then(
        (started) => {
          work = started;
          void say({ t: 'ready', address: started.address });
        },
        (error: unknown) => fatal(error),
      );
  });
  void say({ t: 'listening' });
  // The supervisor is gone (killed, or told twice to stop): port and lock must be free at once. Nothing acknowledged is lost by it.
  process.on('disconnect', () => process.exit(0));
  // Signals reach the whole process group; the supervisor decides the order of ending.
  process.on('SIGINT', () => undefined);
  process.on('SIGHUP', () => undefined);
  process.on('SIGTERM', () => {
    if (options.onTerm === 'end-serve') void say({ t: 'terminate' });
  });
};
