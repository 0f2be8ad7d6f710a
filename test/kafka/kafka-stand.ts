/** A broker with a proxy before it, and logs over either. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type KafkaSettings, type LogLimits, type OpenedLog, openEventLog } from '../../src/log/index.ts';
import { MESH } from '../contracts/event-log.ts';
import { type CuttingProxy, cuttingProxy } from '../support/cutting-proxy.ts';
import { type Broker, startKafka } from '../support/kafka.ts';

export interface Opening {
  readonly topic?: string;
  readonly dir?: string;
  /** `proxy.port`: through the proxy (default: not). */
  readonly port?: number;
  readonly mesh?: string;
  readonly limits?: Partial<LogLimits>;
  readonly kafka?: KafkaSettings;
}

export const until = async (what: string, holds: () => boolean): Promise<void> => {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 1200, `not within 60 s: ${what}`);
    await pause(50);
  }
};

export class KafkaStand {
  readonly broker: Broker;
  readonly proxy: CuttingProxy;
  readonly #folders: string[] = [];
  readonly #logs: OpenedLog[] = [];
  #topics = 0;

  private constructor(broker: Broker, proxy: CuttingProxy) {
    this.broker = broker;
    this.proxy = proxy;
  }

  static async start(): Promise<KafkaStand> {
    let proxied = 0;
    const proxy = await cuttingProxy(() => proxied);
    const broker = await startKafka({ proxy: proxy.port });
    proxied = broker.proxiedPort;
    return new KafkaStand(broker, proxy);
  }

  folder(): string {
    const made = mkdtempSync(join(tmpdir(), 'tendril-failures-'));
    this.#folders.push(made);
    return made;
  }

  newTopic(): string {
    return `failing-${++this.#topics}`;
  }

  async open(opening: Opening = {}): Promise<OpenedLog> {
    const { topic = this.newTopic(), dir = this.folder(), port = this.broker.port, mesh = MESH, ...more } = opening;
    const kind = `kafka://127.0.0.1:${port}/${topic}`;
    const log = await openEventLog({ kind, dir, mesh, clock: { now: Date.now }, ...more });
    return this.keep(log);
  }

  /** Closed at the end, if the test has not closed it. */
  keep(log: OpenedLog): OpenedLog {
    this.#logs.push(log);
    return log;
  }

  async end(): Promise<void> {
    // A test that failed has left its own open.
    for (const log of this.#logs) await log.close();
    await this.broker.end();
    this.proxy.close();
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  }
}
