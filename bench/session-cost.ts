/**
 * What one stream costs the worker without its transport, CPU microseconds: real projector and read model, real hub, sessions and
 * streams; messages go into the void. For the profile of the fan-out.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AdsStream } from '../src/delta-xds/ads-stream.ts';
import { BytesCache } from '../src/delta-xds/bytes-cache.ts';
import { DeliveryLog } from '../src/delta-xds/delivery-log.ts';
import { Hub } from '../src/delta-xds/hub.ts';
import { DEFAULT_SERVER_LIMITS, zeroSessionCounters } from '../src/delta-xds/limits.ts';
import { XDS_METHODS } from '../src/delta-xds/methods.ts';
import { ResponseTemplates } from '../src/delta-xds/response-templates.ts';
import { SharedShapes } from '../src/delta-xds/shapes.ts';
import { type StreamContext, zeroStreamCounters } from '../src/delta-xds/stream-context.ts';
import { openEventLog } from '../src/log/index.ts';
import { Projector, ReadModel } from '../src/projector/index.ts';
import { CDS, decodeDeltaResponse, EDS, encodeDeltaRequest } from '../src/proto/index.ts';
import { emptyNode } from '../src/proto/node.ts';
import { MeshSource } from '../src/runtime/mesh-source.ts';
import { endpoint, MESH, registered } from '../test/projector/mesh-events.ts';
import { round } from './spread.ts';

export interface SessionCostOptions {
  readonly sessions?: number;
  readonly changes?: number;
  readonly warm?: number;
}

const SERVICES = 200;
const ENDPOINTS = 10;
const NONE: ReadonlyMap<string, string> = new Map();

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

export const run = async (options: SessionCostOptions = {}): Promise<Readonly<Record<string, number>>> => {
  const { sessions = 1_000, changes = 100, warm = 30 } = options;
  const dir = mkdtempSync(join(tmpdir(), 'tendril-bench-'));
  const clock = { now: Date.now };
  try {
    const log = await openEventLog({ kind: 'memory', dir, mesh: MESH, clock });
    const projector = await Projector.open({ dir, log, mesh: MESH, clock });
    for (let at = 0; at < SERVICES; at++) {
      const name = `svc-${at}`;
      const events = [registered(name)];
      for (let id = 0; id < ENDPOINTS; id++) events.push(endpoint(name, `e${id}`, { address: `10.0.${at}.${id}` }));
      await log.append(events);
    }
    await projector.waitFor(log.head().offset);
    const model = await ReadModel.open({ dir, mesh: MESH });
    const source = new MeshSource(model);
    const deliveries = new DeliveryLog();
    const limits = DEFAULT_SERVER_LIMITS;
    const later = (next: () => void): void => void setImmediate(next);
    const hub = new Hub({
      source,
      shapes: new SharedShapes(),
      session: { limits, counters: zeroSessionCounters() },
      clock: () => performance.now(),
      later,
      after: (ms, next) => {
        const timer = setTimeout(next, ms);
        return () => clearTimeout(timer);
      },
      tag: () => 'bench',
    });
    const context: StreamContext = {
      hub,
      source,
      cache: new BytesCache(limits.cacheBytes),
      templates: new ResponseTemplates(),
      limits,
      wireLimits: { maxNames: 100_000, maxNameBytes: 4_096, maxMetadataValues: 4_096 },
      identifier: 'bench',
      clock: () => performance.now(),
      watcher: undefined,
      onPush: undefined,
      now: Date.now,
      offset: () => model.offset(),
      later,
      counters: zeroStreamCounters(),
      onObserve: () => undefined,
      deliveries,
      warn: (facts, message) => process.stderr.write(`${message} ${JSON.stringify(facts)}\n`),
      onEnd: () => undefined,
    };
    const [method] = XDS_METHODS;
    if (method === undefined) throw new Error('no method');
    let taken: (() => void)[] = [];
    const inboxes: Uint8Array[][] = [];
    const streams = Array.from({ length: sessions }, () => {
      const inbox: Uint8Array[] = [];
      inboxes.push(inbox);
      return new AdsStream(
        context,
        {
          peer: 'void',
          write: (message: Uint8Array, done: () => void) => {
            inbox.push(message);
            taken.push(done);
            return true;
          },
          end: () => undefined,
          read: () => undefined,
          reset: () => undefined,
        },
        method,
      );
    });
    /** Acknowledgements of everything received. */
    const acks = (): readonly Uint8Array[][] =>
      inboxes.map((inbox) => {
        const messages = inbox.map((message) => {
          const { typeUrl, nonce } = decodeDeltaResponse(message);
          return encodeDeltaRequest({
            typeUrl,
            subscribe: [],
            unsubscribe: [],
            initialResourceVersions: NONE,
            responseNonce: nonce,
          });
        });
        inbox.length = 0;
        return messages;
      });
    const feed = (messages: readonly (readonly Uint8Array[])[]): number => {
      const before = cpuUs();
      for (const [at, each] of messages.entries()) for (const message of each) streams[at]?.onMessage(message);
      return (cpuUs() - before) / sessions;
    };
    const settle = (): void => {
      for (const done of taken) done();
      taken = [];
      deliveries.pass(() => true);
    };
    const names = (at: number): string[] => [
      'svc-0.shop:80',
      ...Array.from({ length: 9 }, (_, index) => `svc-${1 + ((at * 7 + index * 13) % (SERVICES - 1))}.shop:80`),
    ];
    const request = (at: number, typeUrl: string, node: boolean): Uint8Array =>
      encodeDeltaRequest({
        ...(node ? { node: { ...emptyNode(), id: `sc-${at}`, cluster: `sc-${at}.shop` } } : {}),
        typeUrl,
        subscribe: names(at),
        unsubscribe: [],
        initialResourceVersions: NONE,
        responseNonce: '',
      });
    const clusters = feed(streams.map((_, at) => [request(at, CDS, true)]));
    settle();
    const assignments = feed(streams.map((_, at) => [request(at, EDS, false)]));
    settle();
    feed(acks());
    settle();
    let [change, ack] = [0, 0];
    for (let seq = 0; seq < warm + changes; seq++) {
      const { offsets } = await log.append([endpoint('svc-0', 'e0', { address: `10.255.${seq >> 8}.${seq & 255}` })]);
      await projector.waitFor(offsets.at(-1) ?? 0);
      const before = cpuUs();
      await hub.wake();
      const spent = (cpuUs() - before) / sessions;
      settle();
      if (inboxes.some((inbox) => inbox.length !== 1)) throw new Error('a session was not told');
      const acknowledged = feed(acks());
      settle();
      if (seq < warm) continue;
      change += spent;
      ack += acknowledged;
    }
    hub.close();
    await model.close();
    await projector.close();
    await log.close();
    return {
      firstClustersUs: round(clusters),
      firstAssignmentsUs: round(assignments),
      changeUs: round(change / changes),
      ackUs: round(ack / changes),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};
