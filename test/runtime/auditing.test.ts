/** Writers from inside: which of their submissions the audit keeps, with a real log, fold and gateway. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AuditEntry, AuditLog } from '../../src/audit/index.ts';
import { auditedIngest } from '../../src/runtime/auditing.ts';
import { endpoint, service, startCore } from '../admin/core.ts';
import { temporaryData } from '../audit/support.ts';

const bad = { type: 'service.registered', data: { namespace: 'shop', name: 'NOT A NAME', ports: [] } };

test('of `dir` all, of core and workers what was refused, each with types, offsets and code', async (t) => {
  const core = await startCore(t);
  const dir = temporaryData(t);
  const audit = await AuditLog.open({ dir, mesh: 'default', version: '0', clock: { now: Date.now } });
  t.after(() => audit.close());
  const byDir = auditedIngest(core.ingest, audit, { from: 'dir', accepted: true });
  const byWorker = auditedIngest(core.ingest, audit, { from: 'worker', accepted: false });
  assert.equal(byDir.limits, core.ingest.limits);
  await byDir.submit({ events: [service('cart'), endpoint('cart', 'cart-1')], caller: 'dir' });
  await byWorker.submit({ events: [service('web')], caller: 'tendril' });
  await assert.rejects(byWorker.submit({ events: [bad], caller: 'tendril' }));
  const answer = await byWorker.submit({ events: [{ ...service('web'), expect: 99 }], caller: 'tendril' });
  assert.equal(answer.result, 'rejected');
  const { entries } = await audit.page({ from: 2, limit: 10 });
  assert.deepEqual(
    entries.map((entry) => {
      const { from, result, code, types, offsets } = entry as AuditEntry & { readonly kind: 'write' };
      return { from, result, code, types, offsets };
    }),
    [
      {
        from: 'dir',
        result: 'accepted',
        code: undefined,
        types: { 'service.registered': 1, 'endpoint.registered': 1 },
        offsets: [[1, 2]],
      },
      {
        from: 'worker',
        result: 'refused',
        code: (entries[1] as { code?: string }).code,
        types: undefined,
        offsets: undefined,
      },
      { from: 'worker', result: 'refused', code: 'expect', types: { 'service.registered': 1 }, offsets: [[4, 4]] },
    ],
  );
  assert.match((entries[1] as { code?: string }).code ?? '', /^E1/);
});
