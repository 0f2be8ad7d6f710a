/** `tendril serve` for a test: in this process, or in a child that can be killed with all that belongs to it. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type HostPort, resolveConfig, startServer } from '../../src/runtime/index.ts';

export interface ServerPids {
  readonly core: number | undefined;
  readonly workers: readonly number[];
}

export interface ControlPlane {
  readonly admin: HostPort;
  readonly xds: HostPort;
  /** Processes as of now. */
  pids(): Promise<ServerPids>;
  /** SIGKILL to supervisor, core and workers, in this order; resolves when they are gone. */
  killAll(): Promise<void>;
  stop(): Promise<void>;
}

/** Flags of `tendril serve`. */
export type Flags = Readonly<Record<string, string>>;

/** What the child says: where it serves, or which processes it has. */
export type FromServeChild =
  | { readonly t: 'ready'; readonly admin: HostPort; readonly xds: HostPort }
  | { readonly t: 'failed'; readonly message: string }
  | { readonly t: 'pids'; readonly pids: ServerPids };
export type ToServeChild = { readonly t: 'pids' } | { readonly t: 'stop' };

export const serveHere = async (flags: Flags): Promise<ControlPlane> => {
  const server = await startServer(resolveConfig({ flags, env: {} }));
  return {
    admin: server.admin,
    xds: server.xds,
    pids: async () => server.pids(),
    killAll: () => Promise.reject(new Error('this process cannot kill itself: start the mesh with child: true')),
    stop: () => server.stop(),
  };
};

const CHILD = fileURLToPath(new URL('./serve-child.js', import.meta.url));
const HARD_STOP_MS = 15_000;

const exited = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const gone = async (pid: number): Promise<void> => {
  while (isAlive(pid)) await new Promise((next) => setTimeout(next, 10));
};

const killHard = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
};

export const serveInChild = async (flags: Flags): Promise<ControlPlane> => {
  const child = fork(CHILD, [JSON.stringify(flags)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const next = <T extends FromServeChild['t']>(type: T): Promise<Extract<FromServeChild, { t: T }>> =>
    new Promise((resolve, reject) => {
      const onMessage = (message: FromServeChild): void => {
        if (message.t === 'failed') end(() => reject(new Error(message.message)));
        else if (message.t === type) end(() => resolve(message as Extract<FromServeChild, { t: T }>));
      };
      const onExit = (code: number | null): void => end(() => reject(new Error(`the server ended with ${code}`)));
      const end = (then: () => void): void => {
        child.off('message', onMessage);
        child.off('exit', onExit);
        then();
      };
      child.on('message', onMessage);
      child.on('exit', onExit);
    });
  const say = (message: ToServeChild): boolean => child.connected && child.send(message);
  const { admin, xds } = await next('ready');
  const pids: ControlPlane['pids'] = async () => {
    const answer = next('pids');
    say({ t: 'pids' });
    return (await answer).pids;
  };
  return {
    admin,
    xds,
    pids,
    killAll: async () => {
      const { core, workers } = await pids();
      const others = [...(core === undefined ? [] : [core]), ...workers];
      child.kill('SIGKILL');
      for (const pid of others) killHard(pid);
      await exited(child);
      await Promise.all(others.map(gone));
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      say({ t: 'stop' });
      const hard = setTimeout(() => child.kill('SIGKILL'), HARD_STOP_MS);
      await exited(child);
      clearTimeout(hard);
    },
  };
};
