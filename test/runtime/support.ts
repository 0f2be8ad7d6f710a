/** A running `serve` and what the tests of this folder do to it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import type { TestContext } from 'node:test';
import { connectSidecar, type SidecarClient } from '../../src/sidecar-client/index.ts';
import { descendants, type ProcessRow, type Serve, sleep, until } from '../cli/support/tendril.ts';
import type { Fleet } from '../support/fleet.ts';

export const isCore = ({ command }: ProcessRow): boolean => command.includes('processes/core.js');
export const isWorker = ({ command }: ProcessRow): boolean => command.includes('processes/xds-worker.js');

export const only = (rows: readonly ProcessRow[]): ProcessRow => {
  assert.equal(rows.length, 1, JSON.stringify(rows));
  return rows[0] ?? assert.fail();
};

export const coreOf = (server: Serve): number => only(descendants(server.pid).filter(isCore)).pid;
export const workersOf = (server: Serve): readonly number[] =>
  descendants(server.pid)
    .filter(isWorker)
    .map(({ pid }) => pid);

export interface EventInput {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A service of namespace `shop` with one endpoint. */
export const serviceEvents = (name: string, address = '127.0.0.1'): EventInput[] => [
  { type: 'service.registered', data: { namespace: 'shop', name, ports: [{ port: 80, protocol: 'http' }] } },
  endpointEvent(name, address),
];

export const endpointEvent = (service: string, address: string): EventInput => ({
  type: 'endpoint.registered',
  data: { namespace: 'shop', service, id: `${service}-1`, address },
});

/** `POST /v1/events`; resolves with the answer's status, 0 when nobody answers. */
export const post = async (
  server: Serve,
  events: readonly EventInput[],
  wait: 'applied' | 'folded' = 'applied',
): Promise<number> => {
  try {
    const response = await fetch(`${server.api}/v1/events?timeout=60s${wait === 'applied' ? '&wait=applied' : ''}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ events }),
    });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 0;
  }
};

/** Registers a service with an endpoint; resolves with the answer's status. */
export const register = (server: Serve, name: string): Promise<number> => post(server, serviceEvents(name));

/** Waits until a write works again: the core is back. */
export const writable = (server: Serve, name: string): Promise<true> =>
  until(
    async () => ((await register(server, name)) === 200 ? true : undefined),
    () => `no write is taken:\n${server.err()}`,
  );

export const ready = (server: Serve): Promise<number> =>
  fetch(`${server.api}/readyz`).then(
    (response) => response.status,
    () => 0,
  );

/** Values of a metric, by its labels (`{worker="0"}`; '' without). */
export const metric = async (server: Serve, name: string): Promise<ReadonlyMap<string, number>> => {
  const text = await (await fetch(`${server.api}/metrics`)).text();
  const rows = text.matchAll(new RegExp(`^${name}(\\{[^}]*\\})? (\\S+)$`, 'gm'));
  return new Map([...rows].map(([, labels = '', value]) => [labels, Number(value)]));
};

/** Memory that a process needs for itself, bytes. */
export const ownMemory = (pid: number): number =>
  Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1_024;

export const allConnected = (fleet: Fleet): Promise<true> =>
  until(
    () => (fleet.connected === fleet.sidecars.length ? true : undefined),
    () => `${fleet.connected} of ${fleet.sidecars.length} sidecars are connected`,
  );

export const allHold = (fleet: Fleet, virtualHost: string, count = fleet.sidecars.length): Promise<true> =>
  until(
    () => (fleet.holding(virtualHost) >= count ? true : undefined),
    () => `${fleet.holding(virtualHost)} of ${count} sidecars hold ${virtualHost}`,
  );

/** Waits until nothing has come for a while. */
export const quiet = async (fleet: Fleet): Promise<void> => {
  for (let before = -1, now = fleet.sum('responses'); now !== before; now = fleet.sum('responses')) {
    before = now;
    await sleep(500);
  }
};

/** One light sidecar of `web.shop`, closed with the test. */
export const sidecar = (t: TestContext, server: Serve): SidecarClient => {
  const client = connectSidecar({
    addresses: [{ host: '127.0.0.1', port: server.xdsPort }],
    node: { id: 'web-1', cluster: 'web.shop', metadata: { service: 'web', namespace: 'shop' } },
    backoff: { baseMs: 20, maxMs: 200 },
  });
  t.after(() => client.close());
  return client;
};

/** Connects again and again; gives how many connections were made and how many were refused. */
export const knock = (port: number): { readonly stop: () => Promise<{ made: number; refused: number }> } => {
  const count = { made: 0, refused: 0 };
  let on = true;
  const loop = (async () => {
    while (on) {
      await new Promise<void>((done) => {
        const socket = createConnection(port, '127.0.0.1');
        socket.once('connect', () => {
          count.made++;
          socket.destroy();
        });
        socket.once('error', (error: NodeJS.ErrnoException) => {
          if (error.code === 'ECONNREFUSED') count.refused++;
        });
        socket.once('close', () => done());
      });
      await sleep(5);
    }
    return count;
  })();
  return {
    stop: () => {
      on = false;
      return loop;
    },
  };
};
