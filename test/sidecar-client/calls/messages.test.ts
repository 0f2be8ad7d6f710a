/** What the tables of calls read against the generated decoders: random messages with all fields that Envoy's protos have, and merged ones. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  Cluster,
  ClusterLoadAssignment,
  HttpProtocolOptions,
  LeastRequest,
  Maglev,
  RandomLb,
  RingHash,
  RoundRobin,
  VirtualHost,
} from '../../../src/proto/index.ts';
import type { MessageTable } from '../../../src/proto/wire.ts';
import * as tables from '../../../src/sidecar-client/calls/messages.ts';

interface Field {
  readonly type: string;
  readonly rule?: string;
  readonly keyType?: string;
}
interface Described {
  readonly nested?: Readonly<Record<string, Described>>;
  readonly fields?: Readonly<Record<string, Field>>;
  readonly oneofs?: Readonly<Record<string, { readonly oneof: readonly string[] }>>;
  readonly values?: Readonly<Record<string, number>>;
}

const types = JSON.parse(
  readFileSync(new URL('../../../../src/proto/generated/envoy.json', import.meta.url), 'utf8'),
) as Described;
const described = (name: string): Described =>
  name
    .replace(/^\./, '')
    .split('.')
    .reduce<Described>((at, part) => at.nested?.[part] ?? assert.fail(`no type ${name}`), types);

/** A message of a type, by chance: `next` gives [0, 1). */
const message = (type: Described, next: () => number, budget: { left: number }): Record<string, unknown> => {
  const texts = ['', 'a', 'ä.x', '/', 'load_balancing'];
  const one = (name: string): unknown => {
    switch (name) {
      case 'string':
        return texts[Math.floor(next() * texts.length)];
      case 'bool':
        return next() < 0.5;
      case 'bytes':
        return Uint8Array.of(1, Math.floor(next() * 256));
      case 'uint32':
      case 'uint64':
        return next() < 0.3 ? 0xffff_fff0 : Math.floor(next() * 300);
      case 'int64':
        return Math.floor((next() - 0.5) * 2 ** 45);
      case 'int32':
        return Math.floor((next() - 0.5) * 2 ** 31);
      case 'double':
      case 'float':
        return Math.floor(next() * 100) / 4;
    }
    const found = described(name);
    if (found.values === undefined) return message(found, next, budget);
    const values = Object.values(found.values);
    return values[Math.floor(next() * values.length)];
  };
  const made: Record<string, unknown> = {};
  for (const [name, { type: kind, rule, keyType }] of Object.entries(type.fields ?? {})) {
    if (budget.left-- <= 0 || next() < 0.4) continue;
    // One member at most, as encoders write it.
    const { oneof = [] } = Object.values(type.oneofs ?? {}).find((one) => one.oneof.includes(name)) ?? {};
    if (oneof.some((other) => other in made)) continue;
    if (keyType !== undefined) made[name] = { '': one(kind), key: one(kind) };
    else made[name] = rule === 'repeated' ? Array.from({ length: Math.floor(next() * 3) }, () => one(kind)) : one(kind);
  }
  return made;
};

/** Everything that a table has read is what the generated decoder says; how many values that were. */
const same = (read: unknown, decoded: unknown, place: string): number => {
  if (read === null || read === undefined || typeof read !== 'object') {
    assert.equal(read, decoded ?? null, place);
    return 1;
  }
  assert.ok(typeof decoded === 'object' && decoded !== null, `${place}: ${String(decoded)}`);
  if (read instanceof Uint8Array) assert.deepEqual(Buffer.from(read), Buffer.from(decoded as Uint8Array), place);
  if (read instanceof Uint8Array) return 1;
  if (Array.isArray(read)) assert.equal(read.length, (decoded as unknown[]).length, place);
  const parts: Record<string, unknown> = read instanceof Map ? Object.fromEntries(read) : (read as never);
  if (read instanceof Map) assert.deepEqual(Object.keys(parts).sort(), Object.keys(decoded).sort(), place);
  let count = 0;
  // Defaults stand on the prototype.
  for (const name in parts) count += same(parts[name], (decoded as Record<string, unknown>)[name], `${place}.${name}`);
  return count;
};

interface Generated {
  encode(message: never): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}

const LB = 'envoy.extensions.load_balancing_policies';
const PAIRS: readonly (readonly [string, MessageTable<unknown>, Generated])[] = [
  ['envoy.config.cluster.v3.Cluster', tables.cluster, Cluster],
  ['envoy.config.endpoint.v3.ClusterLoadAssignment', tables.clusterLoadAssignment, ClusterLoadAssignment],
  ['envoy.config.route.v3.VirtualHost', tables.virtualHost, VirtualHost],
  ['envoy.extensions.upstreams.http.v3.HttpProtocolOptions', tables.httpProtocolOptions, HttpProtocolOptions],
  [`${LB}.round_robin.v3.RoundRobin`, tables.roundRobin, RoundRobin],
  [`${LB}.least_request.v3.LeastRequest`, tables.leastRequest, LeastRequest],
  [`${LB}.random.v3.Random`, tables.randomLb, RandomLb],
  [`${LB}.ring_hash.v3.RingHash`, tables.ringHash, RingHash],
  [`${LB}.maglev.v3.Maglev`, tables.maglev, Maglev],
];

/** Numbers in [0, 1) of a seed (mulberry32). */
const numbers = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

for (const [name, table, generated] of PAIRS)
  test(`${name}: what is read is what the generated decoder reads, of a message once and twice`, () => {
    let most = 0;
    fc.assert(
      fc.property(fc.integer(), fc.boolean(), (seed, isMerged) => {
        const next = numbers(seed);
        const once = generated.encode(message(described(name), next, { left: 600 }) as never).finish();
        const bytes = Buffer.concat(isMerged ? [once, once] : [once]);
        most = Math.max(most, same(table.decode(bytes), generated.decode(bytes), name));
      }),
      { numRuns: 80 },
    );
    assert.ok(most > 1, `${most} values compared`);
  });

test('bytes that are no message are refused', () => {
  for (const bytes of [[0x0a, 5, 1], [0x0a], [0x04], [0x00, 0x00]])
    assert.throws(() => tables.virtualHost.decode(Uint8Array.from(bytes)), { code: 'XDS_MALFORMED' });
});
