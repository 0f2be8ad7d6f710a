/** Invariants as numbered in src/telemetry/use-outbox.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CallerUse } from '../../src/telemetry/caller-use.ts';
import { UseOutbox } from '../../src/telemetry/use-outbox.ts';

test('O1, O2: sums are kept through losses; one report at a time, each edge once, so many at most', () => {
  const word = fc.oneof(
    fc.record({ say: fc.constant('use' as const), edge: fc.nat(9), errors: fc.nat(1) }),
    fc.record({ say: fc.constantFrom('next' as const, 'confirm' as const, 'lose' as const, 'late' as const) }),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 120 }), (script) => {
      const caller = new CallerUse('web.shop');
      const edges = Array.from({ length: 10 }, (_, at) => caller.add(`s${at}.shop:80`));
      const outbox = new UseOutbox(4);
      const wanted = new Map<string, number>();
      const got = new Map<string, number>();
      let sent: ReturnType<UseOutbox['next']>;
      let lost: number | undefined;
      const confirm = (): void => {
        if (sent === undefined) return;
        for (const { to, requests, errors } of sent.report.uses) got.set(to, (got.get(to) ?? 0) + requests + errors);
        assert.equal(outbox.confirmed(sent.upTo), true);
        sent = undefined;
      };
      for (const one of script) {
        if (one.say === 'use') {
          const edge = edges[one.edge];
          assert.ok(edge !== undefined);
          edge.requests++;
          edge.errors += one.errors;
          wanted.set(edge.to, (wanted.get(edge.to) ?? 0) + 1 + one.errors);
          outbox.note(edge);
        } else if (one.say === 'next') {
          const next = outbox.next();
          if (sent !== undefined) assert.equal(next, undefined);
          else sent = next;
          const names = next?.report.uses.map(({ to }) => to) ?? [];
          assert.ok(names.length <= 4 && new Set(names).size === names.length);
        } else if (one.say === 'confirm') confirm();
        else if (one.say === 'late') {
          if (lost !== undefined) assert.equal(outbox.confirmed(lost), false);
        } else {
          lost = sent?.upTo ?? lost;
          sent = undefined;
          outbox.takeBack();
        }
      }
      confirm();
      for (sent = outbox.next(); sent !== undefined; sent = outbox.next()) confirm();
      assert.deepEqual(new Map([...got].sort()), new Map([...wanted].sort()));
    }),
  );
});
