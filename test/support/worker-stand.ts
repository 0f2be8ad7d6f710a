/**
 * A core and one xDS worker in this process, the worker's channel in the test's hands: what the worker says to the core is heard, and
 * answered by the test.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Channel, channelPair, channelPath, listenChannel } from '../../src/runtime/channel.ts';
import { resolveConfig } from '../../src/runtime/config.ts';
import { Core } from '../../src/runtime/core.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import type { EdgeUse, HolderRow, ToCore, ToWorker, WorkerQuestion } from '../../src/runtime/messages.ts';
import { XdsWorker } from '../../src/runtime/xds-worker.ts';

export interface EventInput {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export class WorkerStand {
  readonly #core: Core;
  /** The core's end of the channel: what is not ours to hear passes through. */
  readonly #toCore: Channel<ToCore, ToWorker>;
  readonly #server: Server;
  readonly #data: string;
  readonly worker: XdsWorker;
  #toWorker: Channel<ToWorker, ToCore> | undefined;
  #saidHello = false;
  readonly #answers = new Map<number, (body: unknown) => void>();
  /** Numbers of our own questions go down from here: the core's go up. */
  #question = 0;
  /** Reports that came, in order. */
  readonly reports: (readonly EdgeUse[])[] = [];
  /** Reports are confirmed as they come. */
  confirms = true;

  private constructor(parts: {
    readonly core: Core;
    readonly toCore: Channel<ToCore, ToWorker>;
    readonly server: Server;
    readonly data: string;
    readonly worker: XdsWorker;
    readonly meet: (listener: (peer: Channel<ToWorker, ToCore>) => void) => void;
  }) {
    this.#core = parts.core;
    this.#toCore = parts.toCore;
    this.#server = parts.server;
    this.#data = parts.data;
    this.worker = parts.worker;
    parts.toCore.onMessage = (message) => this.#toWorker?.send(message);
    parts.meet((peer) => {
      this.#toWorker = peer;
      peer.onMessage = (message) => this.#hear(message);
    });
  }

  static async start(flags: Readonly<Record<string, string>> = {}): Promise<WorkerStand> {
    const data = mkdtempSync(join(tmpdir(), 'tendril-worker-'));
    const config = resolveConfig({
      flags: {
        data,
        xds: '127.0.0.1:0',
        admin: '127.0.0.1:0',
        workers: '1',
        log: 'lmdb',
        'log-level': 'silent',
        'disk-reserve': '1000000',
        ...flags,
      },
      env: {},
    });
    const logger = createLogger('silent');
    const [coreEnd, toCore] = channelPair<ToWorker, ToCore>();
    const core = await Core.start({ config, logger, restartWorker: () => undefined, channel: coreEnd });
    const waiting: Channel<ToWorker, ToCore>[] = [];
    let met = (peer: Channel<ToWorker, ToCore>): void => void waiting.push(peer);
    const server = await listenChannel<ToWorker, ToCore>(channelPath(data), (peer) => met(peer));
    const worker = await XdsWorker.start({ config, worker: 0, logger });
    const meet = (listener: (peer: Channel<ToWorker, ToCore>) => void): void => {
      met = listener;
      for (const peer of waiting) listener(peer);
    };
    const stand = new WorkerStand({ core, toCore, server, data, worker, meet });
    while (!stand.#saidHello) await new Promise((next) => setTimeout(next, 5));
    return stand;
  }

  #hear(message: ToCore): void {
    if (message.t === 'use') {
      this.reports.push(message.report.uses);
      if (this.confirms) this.#toWorker?.send({ t: 'used', upTo: message.upTo });
    } else if (message.t === 'answer' && message.id < 0) this.#answers.get(message.id)?.(message.body);
    else if (message.t !== 'hello' || !this.#saidHello) {
      this.#toCore.send(message);
      if (message.t === 'hello') this.#saidHello = true;
    }
  }

  /** The worker loses its core, and finds another one at once. */
  newCore(): void {
    this.#toWorker?.close();
    this.#toWorker = undefined;
  }

  /** All uses reported so far. */
  get uses(): readonly EdgeUse[] {
    return this.reports.flat();
  }

  async ask<T>(question: WorkerQuestion): Promise<T> {
    while (this.#toWorker === undefined) await new Promise((next) => setTimeout(next, 5));
    const id = --this.#question;
    const answer = new Promise<unknown>((done) => this.#answers.set(id, done));
    this.#toWorker.send({ t: 'ask', id, question });
    return (await answer) as T;
  }

  /** The row of one caller. */
  async holders(caller: string): Promise<HolderRow | undefined> {
    return (await this.ask<readonly HolderRow[]>({ what: 'presence' })).find((row) => row.caller === caller);
  }

  /** Writes events and waits until the worker's streams have seen them. */
  async events(...events: readonly EventInput[]): Promise<void> {
    const { host, port } = this.#core.address;
    const response = await fetch(`http://${host}:${port}/v1/events?wait=applied&timeout=60s`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ events }),
    });
    assert.equal(response.status, 200, await response.text());
  }

  async stop(): Promise<void> {
    await this.worker.stop();
    await this.#core.stop();
    this.#server.close();
    rmSync(this.#data, { recursive: true, force: true });
  }
}
