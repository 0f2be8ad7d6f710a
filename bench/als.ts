/**
 * Access logs (issue 5, section 1.2): what one entry costs the collector, what a whole worker takes over gRPC, and what is left of it in
 * a flood. Entries are as Envoy 1.40 writes them (some 500 bytes), 120 in a message of 64 KiB, of 10 callees.
 *
 * `collector`: reading and adding up alone, without a budget and with one. `overGrpc`: a worker with 50 sidecars that send 20,000 entries
 * a second between them; the share of one core that its process uses is that of the whole path, HTTP/2 included, and what it uses with
 * the same sidecars silent is taken off. `holders`: the answer to which nodes report use, for 10,000 sessions that have taken their
 * listeners.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ConnectedStream } from '../src/delta-xds/index.ts';
import { GRPC_PATHS } from '../src/proto/index.ts';
import { UseService, type UseServiceOptions } from '../src/runtime/use-service.ts';
import { AccessLogStream, ConnectionCallers, DEFAULT_USE_LIMITS, UseCollector } from '../src/telemetry/index.ts';
import { openConnection, openStream } from '../test/support/grpc-streams.ts';
import { httpEntry, logsMessage } from '../test/support/use-messages.ts';

const CALLEES = Array.from({ length: 10 }, (_, at) => `service-${at}.shop:8080`);
const PER_MESSAGE = 120;

const entries = (count: number): readonly object[] =>
  Array.from({ length: count }, (_, at) => {
    const name = CALLEES[at % CALLEES.length] ?? '';
    return httpEntry({ cluster: name, route: name, authority: name, status: at % 50 === 0 ? 503 : 200 });
  });

interface CollectorFigures {
  readonly entries: number;
  readonly nsPerEntry: number;
  readonly entriesPerCoreSecond: number;
  readonly taken: number;
}

/** Feeds `total` entries over `seconds` of the collector's clock. */
const collect = (total: number, seconds: number, limits: Partial<typeof DEFAULT_USE_LIMITS>): CollectorFigures => {
  let now = 0;
  const collector = new UseCollector({
    clock: () => now,
    now: () => 1_800_000_000_000 + now,
    random: Math.random,
    warn: () => undefined,
    limits,
  });
  const stream = new AccessLogStream({
    collector,
    callers: new ConnectionCallers(),
    identify: ({ id }) => ({ node: id, caller: 'web.shop', byName: (name) => name, byHost: (host) => host }),
    peer: 'bench',
  });
  const http = entries(PER_MESSAGE);
  stream.onMessage(logsMessage({ node: { id: 'node', cluster: 'web.shop' }, http: [] }));
  const message = logsMessage({ http });
  const messages = Math.ceil(total / PER_MESSAGE);
  const start = process.hrtime.bigint();
  for (let at = 0; at < messages; at++) {
    now = (at * seconds * 1_000) / messages;
    stream.onMessage(message);
  }
  const ns = Number(process.hrtime.bigint() - start);
  const count = messages * PER_MESSAGE;
  return {
    entries: count,
    nsPerEntry: Math.round(ns / count),
    entriesPerCoreSecond: Math.round((count * 1e9) / ns),
    taken: count - collector.counters.sampledOut,
  };
};

const HOLDERS = 10_000;

/** Median of 21 answers, ms. */
const holders = (): number => {
  const versions = new Set<string>();
  const source: UseServiceOptions['source'] = {
    attach: () => {
      throw new Error('no stream of use begins here');
    },
    logsUse: (version) => versions.has(version),
    hasRawListeners: () => false,
  };
  const service = new UseService({
    source,
    clock: () => performance.now(),
    now: Date.now,
    random: Math.random,
    warn: () => undefined,
    workers: 1,
  });
  const streams = Array.from({ length: HOLDERS }, (_, at): ConnectedStream => {
    const version = `version-${at}`;
    versions.add(version);
    const caller = `caller-${at % 1_000}.shop`;
    const taken = new Map([['lds', new Map([['outbound', { good: { version } }]])]]);
    return {
      peer: `10.0.0.1:${at}`,
      facts: { id: `node-${at}`, caller, namespace: 'shop', proxyless: false },
      broughtAt: at % 2 === 0 ? performance.now() : undefined,
      takenVersion: (type, name) => taken.get(type)?.get(name)?.good.version,
    };
  });
  const times = Array.from({ length: 21 }, () => {
    const start = performance.now();
    const rows = service.holders({ connected: () => streams, connectionsRefused: 0 });
    if (rows.length !== 1_000 || rows.some(({ nodes, silent }) => nodes !== 10 || silent > 0))
      throw new Error(`not the holders that there are: ${JSON.stringify(rows[0])}`);
    return performance.now() - start;
  });
  return Number((times.sort((a, b) => a - b)[10] ?? 0).toFixed(2));
};

interface Cpu {
  readonly cpuMs: number;
}

const ask = async (child: ChildProcess): Promise<{ readonly port: number } & Cpu> => {
  const answer = once(child, 'message');
  child.send('report');
  return (await answer)[0] as { readonly port: number } & Cpu;
};

export const run = async (
  options: { readonly entries?: number; readonly seconds?: number; readonly sidecars?: number } = {},
): Promise<unknown> => {
  const { entries: total = 1_000_000, seconds = 20, sidecars = 50 } = options;
  const free = { perNode: 1e12, inAll: 1e12 };
  collect(total / 10, 1, free);
  const collector = {
    bytesPerEntry: Math.round(logsMessage({ http: entries(PER_MESSAGE) }).length / PER_MESSAGE),
    withoutBudget: collect(total, 1, free),
    /** One node, 100,000 entries a second. */
    flood: collect(total, total / 100_000, {}),
  };

  const holdersMs = holders();

  const child = fork(fileURLToPath(new URL('./als-child.js', import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  try {
    await once(child, 'message');
    const { port } = await ask(child);
    const rate = DEFAULT_USE_LIMITS.inAll;
    const message = logsMessage({ http: entries(PER_MESSAGE) });
    const open = Array.from({ length: sidecars }, (_, at) => {
      const connection = openConnection(port);
      const stream = openStream(connection, GRPC_PATHS.accessLogs, {
        onMessage: () => undefined,
        onEnd: () => undefined,
      });
      stream.send(logsMessage({ node: { id: `node-${at}`, cluster: `caller-${at}.shop` }, http: entries(1) }));
      return { connection, stream };
    });
    const spend = async (sending: boolean): Promise<{ readonly sent: number; readonly share: number }> => {
      const { cpuMs: before } = await ask(child);
      const start = performance.now();
      let sent = 0;
      while (performance.now() - start < seconds * 1_000) {
        const due = sending ? (performance.now() - start) * (rate / 1_000) : 0;
        for (; sent < due; sent += PER_MESSAGE) open[(sent / PER_MESSAGE) % sidecars]?.stream.send(message);
        await new Promise((next) => setTimeout(next, 10));
      }
      const ms = performance.now() - start;
      const { cpuMs } = await ask(child);
      return { sent, share: (cpuMs - before) / ms };
    };
    await spend(true);
    const silent = await spend(false);
    const busy = await spend(true);
    for (const { connection } of open) connection.destroy();
    const share = busy.share - silent.share;
    return {
      collector,
      holders: { streams: HOLDERS, medianMs: holdersMs },
      overGrpc: {
        sidecars,
        entriesPerSecond: Math.round(busy.sent / seconds),
        shareOfOneCore: Number(share.toFixed(3)),
        microsecondsPerEntry: Number(((share * 1e6) / (busy.sent / seconds)).toFixed(2)),
        silentShare: Number(silent.share.toFixed(3)),
      },
    };
  } finally {
    child.kill();
  }
};
