/** `tendril serve` as configured: the transport that carries the streams, the bounds of its xDS port, and their counters in /metrics. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { EDS } from '../../src/proto/index.ts';
import { resolveConfig, startServer } from '../../src/runtime/index.ts';
import { nodeOf } from '../delta-xds/support/memory-mesh.ts';
import { RawClient } from '../delta-xds/support/raw-client.ts';

for (const transport of ['grpc-js', 'http2'])
  describe(transport, () => {
    test('a bound set by --xds-limits holds in the worker, and is counted in /metrics', async () => {
      const data = mkdtempSync(join(tmpdir(), 'tendril-limits-'));
      const flags = {
        data,
        xds: '127.0.0.1:0',
        admin: '127.0.0.1:0',
        log: 'memory',
        workers: '1',
        'log-level': 'silent',
        'xds-transport': transport,
        'xds-limits': 'names-per-request=5,header-bytes=2000',
      };
      const server = await startServer(resolveConfig({ flags, env: {} }));
      try {
        const many = new RawClient(server.xds.port);
        many.send({
          typeUrl: EDS,
          node: nodeOf('app.shop'),
          subscribe: Array.from({ length: 6 }, (_, at) => `s${at}`),
        });
        const { code, details } = await many.status;
        assert.deepEqual([code, details], [8, '6 names in one request; allowed: 5']);
        const heavy = new RawClient(server.xds.port, { 'x-heavy': 'x'.repeat(3_000) });
        assert.equal((await heavy.status).details, "the request's headers exceed 2000 bytes");
        for (const client of [many, heavy]) client.close();
        const metrics = await (await fetch(`http://127.0.0.1:${server.admin.port}/metrics`)).text();
        assert.match(metrics, /^tendril_xds_too_many_names_total\{worker="\d+"\} 1$/m);
        assert.match(metrics, /^tendril_xds_headers_refused_total\{worker="\d+"\} 1$/m);
        assert.match(metrics, /^# TYPE tendril_xds_health_watches gauge$/m);
      } finally {
        await server.stop();
        await server.ended;
        rmSync(data, { recursive: true, force: true });
      }
    });
  });
