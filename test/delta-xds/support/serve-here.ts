/** A whole control plane in this process, in memory, with services `svc-<n>.shop:80`; for tests that watch the process itself. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type RunningServer, resolveConfig, startServer } from '../../../src/runtime/index.ts';

/** Events of one request. */
const BATCH = 1_000;

export interface ServerHere {
  readonly server: RunningServer;
  readonly port: number;
  /** Value of a metric, summed over its labels. */
  metric(name: string): Promise<number>;
}

export const serveHere = async (
  t: TestContext,
  services: number,
  more: Readonly<Record<string, string>> = {},
): Promise<ServerHere> => {
  const flags = {
    xds: '127.0.0.1:0',
    admin: '127.0.0.1:0',
    workers: '0',
    log: 'memory',
    'log-level': 'silent',
    ...more,
  };
  const server = await startServer(resolveConfig({ flags, env: {} }));
  t.after(() => server.stop());
  const api = `http://127.0.0.1:${server.admin.port}`;
  const events = Array.from({ length: services }, (_, index) => `svc-${index}`).flatMap((name) => [
    { type: 'service.registered', data: { namespace: 'shop', name, ports: [{ port: 80, protocol: 'http' }] } },
    { type: 'endpoint.registered', data: { namespace: 'shop', service: name, id: `${name}-1`, address: '127.0.0.1' } },
  ]);
  for (let at = 0; at < events.length; at += BATCH) {
    const { status } = await fetch(`${api}/v1/events?wait=applied&timeout=60s`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ events: events.slice(at, at + BATCH) }),
    });
    assert.equal(status, 200);
  }
  return {
    server,
    port: server.xds.port,
    metric: async (name) => {
      const text = await (await fetch(`${api}/metrics`)).text();
      const rows = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))];
      assert.ok(rows.length > 0, `no metric ${name}`);
      return rows.reduce((sum, [, value]) => sum + Number(value), 0);
    },
  };
};
