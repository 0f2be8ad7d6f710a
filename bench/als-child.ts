/** A core and an xDS worker for `als.ts`, in a process of their own; says its port and the CPU time used when asked. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveConfig, startServer } from '../src/runtime/index.ts';

const data = mkdtempSync(join(tmpdir(), 'tendril-als-'));
const flags = { data, xds: '127.0.0.1:0', admin: '127.0.0.1:0', workers: '0', log: 'memory', 'log-level': 'silent' };
const server = await startServer(resolveConfig({ flags, env: {} }));
const events = Array.from({ length: 10 }, (_, at) => ({
  type: 'service.registered',
  data: { namespace: 'shop', name: `service-${at}`, ports: [{ port: 8080, protocol: 'http' }] },
}));
const { status } = await fetch(`http://127.0.0.1:${server.admin.port}/v1/events?wait=applied`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ events }),
});
if (status !== 200) throw new Error(`the services were answered with ${status}`);
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ port: server.xds.port, cpuMs: (user + system) / 1_000 });
});
process.on('exit', () => rmSync(data, { recursive: true, force: true }));
process.on('SIGTERM', () => process.exit(0));
process.send?.('ready');
