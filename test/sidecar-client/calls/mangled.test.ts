/** Resources with bytes changed at random: each is refused with a reason, or used; nothing throws, nothing hangs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createCallCore, refuseReason } from '../../../src/sidecar-client/calls/index.ts';
import type { ConfigKind } from '../../../src/sidecar-client/config-source.ts';
import { compileAll, endpoint, mesh, service } from '../../compile/support.ts';
import { call, Held, ok, seeded } from './held.ts';

const NAME = 'cart.shop:80';
const KINDS: Readonly<Record<string, ConfigKind>> = { cds: 'cluster', eds: 'assignment', vhds: 'virtualHost' };
const YAML = `kind: Upstream
metadata: {name: cart, namespace: shop}
spec:
  lb: {maglev: {table: 251, bound: 150}}
  hash: [{header: x-user}, {cookie: {name: sid}}]
  limits: {requests: 100, connections: 5}
  outlier: {}
---
kind: Route
metadata: {name: cart, namespace: shop}
spec:
  rules:
    a: {match: {path: {regex: "/a(/[0-9]{1,3})?"}, headers: {x: {in: [a, b]}, n: {range: [1, 5]}}}, timeout: 1s}
    b: {match: {path: {prefix: /b}, query: {q: {suffix: z, not: true}}}, retry: {attempts: 2, when: {gateway: true}}}
`;
const endpoints = {
  'cart.shop': [endpoint('e1'), endpoint('e2', { weight: 3, locality: { region: 'eu', zone: 'a' } })],
};
const resources = compileAll(mesh({ services: [service('cart.shop')], endpoints, yaml: YAML })).filter(
  ({ variant }) => variant === '',
);

test('mangled resources', () => {
  let refused = 0;
  let used = 0;
  const arbChange = fc.record({ which: fc.nat(), at: fc.nat(), byte: fc.nat(255), cut: fc.boolean() });
  fc.assert(
    fc.property(fc.array(arbChange, { minLength: 1, maxLength: 4 }), (changes) => {
      const held = new Held().putAll(resources);
      const core = createCallCore({ source: held, random: seeded(1) });
      core.cluster(NAME);
      for (const { which, at, byte, cut } of changes) {
        const { type = '', name = '', body = new Uint8Array() } = resources[which % resources.length] ?? {};
        const kind = KINDS[type];
        if (kind === undefined) continue;
        const mangled = Uint8Array.from(cut ? body.subarray(0, at % body.length) : body);
        if (mangled.length > 0) mangled[at % mangled.length] = byte;
        if (refuseReason(kind, mangled) === undefined) used += 1;
        else refused += 1;
        held.put(kind, kind === 'virtualHost' ? 'cart.shop' : name, mangled);
      }
      for (const path of ['/a/12', '/b?q=1', '/c']) {
        const route = core.route(call('cart.shop', { path, headers: { x: 'a', n: '3', 'x-user': 'u' } }));
        const pick = core.cluster(route?.cluster ?? NAME)?.pick(route?.hashKey, undefined, 0);
        if (typeof pick === 'object') pick.release(ok, 0);
      }
      core.sweep(10_000);
      core.close();
    }),
    { numRuns: 400 },
  );
  assert.ok(refused > 20 && used > 20, `${refused} refused, ${used} used`);
});
