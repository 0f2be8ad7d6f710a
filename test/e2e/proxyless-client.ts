/** Starts gRPC applications without a proxy (proxyless-child.ts) and calls through them. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import type { HostPort } from '../../src/runtime/index.ts';

export interface CallOrder {
  readonly id: number;
  readonly target: string;
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

/** What `tendril bootstrap grpc` prints. */
const bootstrapOf = (service: string, { host, port }: HostPort): string =>
  execFileSync(process.execPath, [MAIN, 'bootstrap', 'grpc', '--service', service, '--xds', `${host}:${port}`], {
    encoding: 'utf8',
  });

export class ProxylessClient {
  readonly id: string;
  readonly #child: ChildProcess;
  readonly #open = new Map<number, (outcome: CallOutcome) => void>();
  #calls = 0;

  private constructor(id: string, child: ChildProcess) {
    this.id = id;
    this.#child = child;
    child.on('message', (outcome: CallOutcome) => {
      this.#open.get(outcome.id)?.(outcome);
      this.#open.delete(outcome.id);
    });
    child.on('exit', (code, signal) => {
      for (const [call, done] of this.#open) done({ id: call, code: -1, text: `the client ended: ${code ?? signal}` });
    });
  }

  static async start(service: string, xds: HostPort): Promise<ProxylessClient> {
    const bootstrap = bootstrapOf(service, xds);
    const child = fork(CHILD, {
      env: { ...process.env, GRPC_XDS_BOOTSTRAP_CONFIG: bootstrap },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await once(child, 'message');
    return new ProxylessClient((JSON.parse(bootstrap) as { node: { id: string } }).node.id, child);
  }

  /** One call to `xds:///<target>`; resolves with whatever came of it. */
  call(
    target: string,
    { headers = {}, timeoutMs = 20_000, waitForReady = false }: CallInput = {},
  ): Promise<CallOutcome> {
    const order: CallOrder = { id: ++this.#calls, target: `xds:///${target}`, headers, timeoutMs, waitForReady };
    return new Promise((resolve) => {
      this.#open.set(order.id, resolve);
      this.#child.send(order);
    });
  }

  /** Id of the backend that answered; fails the test unless the call succeeds. */
  async reached(target: string, input: CallInput = {}): Promise<string> {
    const { code, text } = await this.call(target, input);
    assert.equal(code, status.OK, `${target}: ${text}`);
    return text.slice(0, text.indexOf(':'));
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}
