/** The index of domains against the one that is made anew with every change; the same for the assignments wanted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DomainIndex, type HostDomains } from '../../src/sidecar-client/domain-index.ts';
import { WantedAssignments } from '../../src/sidecar-client/wanted-assignments.ts';

const HOSTS = ['a', 'a.x', 'b.x', 'a.x:80', 'a.y.x', 'c.y.x'];
const DOMAINS = [...HOSTS, '*.x', '*.y.x'];
const change: fc.Arbitrary<HostDomains> = fc.record({
  name: fc.constantFrom('v0', 'v1', 'v2', 'v3'),
  domains: fc.uniqueArray(fc.constantFrom(...DOMAINS), { maxLength: 3 }),
});
const changes = fc.uniqueArray(change, { maxLength: 3, selector: ({ name }) => name });

/** Made anew: domain -> owner, or the domain that two would have. */
const owners = (held: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, string> | string => {
  const found = new Map<string, string>();
  for (const [name, domains] of held)
    for (const domain of domains) {
      if (found.has(domain)) return domain;
      found.set(domain, name);
    }
  return found;
};

const answer = (found: ReadonlyMap<string, string>, host: string): string | undefined => {
  const labels = host.split('.');
  const wild = labels.slice(1).map((_, at) => `*.${labels.slice(at + 1).join('.')}`);
  return [host, ...wild].map((domain) => found.get(domain)).find((name) => name !== undefined);
};

test('C5 domains kept up to date say what domains made anew say, and every touched answer is told', () => {
  fc.assert(
    fc.property(
      // Hashes that meet, and those that do not.
      fc.constantFrom((domain: string) => domain.length, undefined),
      fc.array(
        fc.record({ changes, watch: fc.constantFrom(...HOSTS), unwatch: fc.constantFrom(...HOSTS, undefined) }),
        {
          maxLength: 12,
        },
      ),
      (hash, steps) => {
        let held = new Map<string, readonly string[]>();
        const index = new DomainIndex((name) => held.get(name) ?? [], hash);
        const watched = new Set<string>();
        for (const { changes, watch, unwatch } of steps) {
          index.watch(watch);
          watched.add(watch);
          if (unwatch !== undefined) {
            index.unwatch(unwatch);
            watched.delete(unwatch);
          }
          const next = new Map(held);
          for (const { name, domains } of changes) next.set(name, domains);
          const [before, after] = [owners(held), owners(next)];
          assert.ok(typeof before !== 'string');
          assert.equal(index.conflict(changes) !== undefined, typeof after === 'string');
          if (typeof after === 'string') continue;
          index.leave(changes.map(({ name }) => name));
          held = next;
          const told = new Map(index.apply(changes).map((answered) => [answered.host, answered]));
          const names = new Set<string | undefined>(changes.map(({ name }) => name));
          for (const host of HOSTS) {
            const earlier: string | undefined = answer(before, host);
            const now: string | undefined = answer(after, host);
            assert.equal(index.virtualHostOf(host), now);
            const touched = watched.has(host) && (earlier !== now || (now !== undefined && names.has(now)));
            if (touched) assert.deepEqual(told.get(host), { host, before: earlier, after: now });
            if (!watched.has(host)) assert.equal(told.has(host), false);
          }
        }
      },
    ),
  );
});

test('C4 assignments wanted are those of the clusters held, and the difference is told once', () => {
  const name = fc.option(fc.constantFrom('e0', 'e1', 'e2'), { nil: undefined });
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.record({ cluster: fc.constantFrom('c0', 'c1', 'c2'), eds: name }), { maxLength: 4 })),
      (updates) => {
        const wanted = new WantedAssignments();
        const clusters = new Map<string, string | undefined>();
        const asked = new Set<string>();
        for (const update of updates) {
          for (const { cluster, eds } of update) {
            wanted.move(clusters.get(cluster), eds);
            clusters.set(cluster, eds);
          }
          const { come, gone } = wanted.difference(asked);
          for (const eds of come) asked.add(eds);
          for (const eds of gone) asked.delete(eds);
          const needed = new Set([...clusters.values()].filter((eds) => eds !== undefined));
          assert.deepEqual(asked, needed);
          assert.deepEqual(new Set(wanted.names()), needed);
          assert.equal(come.length + gone.length, new Set([...come, ...gone]).size);
        }
      },
    ),
  );
});
