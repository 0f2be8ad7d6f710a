/** Starts gRPC applications without a proxy, with the real client libraries, and calls through them. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import type { HostPort } from '../../src/runtime/index.ts';
import { ECHO_PATHS } from '../support/stream-backends.ts';

export interface CallOrder {
  readonly id: number;
  readonly target: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly waitForReady: boolean;
}

export interface CallOutcome {
  readonly id: number;
  /** gRPC status. */
  readonly code: number;
  /** What the service answered, or the client's words. */
  readonly text: string;
}

export interface CallInput {
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 20,000. */
  readonly timeoutMs?: number;
  /** The call waits until there is something to call; else it fails at once. */
  readonly waitForReady?: boolean;
}

const CHILD = fileURLToPath(new URL('./proxyless-child.js', import.meta.url));
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** A client process: takes orders, tells outcomes. */
interface Application {
  readonly child: ChildProcess;
  send(order: CallOrder): void;
  /** The first message says that it is ready. */
  hear(listener: (message: CallOutcome | 'ready') => void): void;
  leave(): void;
}

/** `@grpc/grpc-js-xds` (proxyless-child.ts). */
const startNode = (env: NodeJS.ProcessEnv): Application => {
  const child = fork(CHILD, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  return {
    child,
    send: (order) => child.send(order),
    hear: (listener) => child.on('message', listener),
    leave: () => child.disconnect(),
  };
};

/** grpc-go (grpc-go/main.go), compiled. */
const startGo = (env: NodeJS.ProcessEnv, program: string): Application => {
  const child = spawn(program, [], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  return {
    child,
    send: (order) => child.stdin.write(`${JSON.stringify(order)}\n`),
    hear: (listener) => lines.on('line', (line) => listener(JSON.parse(line) as CallOutcome | 'ready')),
    leave: () => child.stdin.end(),
  };
};

/** What `tendril bootstrap grpc` prints. */
const bootstrapOf = (service: string, xds: readonly HostPort[]): string => {
  const addresses = xds.map(({ host, port }) => `${host}:${port}`).join(',');
  return execFileSync(process.execPath, [MAIN, 'bootstrap', 'grpc', '--service', service, '--xds', addresses], {
    encoding: 'utf8',
  });
};

export class ProxylessClient {
  readonly id: string;
  readonly #application: Application;
  readonly #open = new Map<number, (outcome: CallOutcome) => void>();
  #calls = 0;

  private constructor(id: string, application: Application) {
    this.id = id;
    this.#application = application;
    application.hear((message) => {
      if (message === 'ready') return;
      this.#open.get(message.id)?.(message);
      this.#open.delete(message.id);
    });
    application.child.on('exit', (code, signal) => {
      for (const [call, done] of this.#open) done({ id: call, code: -1, text: `the client ended: ${code ?? signal}` });
    });
  }

  /** `goProgram`: the compiled Go client; without it, the one of Node. */
  static async start(
    service: string,
    xds: HostPort | readonly HostPort[],
    goProgram?: string,
  ): Promise<ProxylessClient> {
    const bootstrap = bootstrapOf(service, [xds].flat());
    const env = { ...process.env, GRPC_XDS_BOOTSTRAP_CONFIG: bootstrap };
    const application = goProgram === undefined ? startNode(env) : startGo(env, goProgram);
    await new Promise<void>((ready, fail) => {
      application.hear(() => ready());
      application.child.once('error', fail);
      application.child.once('exit', (code) => fail(new Error(`the client ended with ${code}`)));
    });
    return new ProxylessClient((JSON.parse(bootstrap) as { node: { id: string } }).node.id, application);
  }

  /** One call to `xds:///<target>`; resolves with whatever came of it. */
  call(
    target: string,
    { headers = {}, timeoutMs = 60_000, waitForReady = false }: CallInput = {},
  ): Promise<CallOutcome> {
    const id = ++this.#calls;
    const order = { id, target: `xds:///${target}`, path: ECHO_PATHS.unary, headers, timeoutMs, waitForReady };
    return new Promise((resolve) => {
      this.#open.set(id, resolve);
      this.#application.send(order);
    });
  }

  /** Id of the backend that answered; fails the test unless the call succeeds. */
  async reached(target: string, input: CallInput = {}): Promise<string> {
    const { code, text } = await this.call(target, input);
    assert.equal(code, status.OK, `${target}: ${text}`);
    return text.slice(0, text.indexOf(':'));
  }

  async stop(): Promise<void> {
    const { child, leave } = this.#application;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    leave();
    await ended;
  }
}
