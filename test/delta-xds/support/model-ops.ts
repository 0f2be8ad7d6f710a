/** What may happen in the world of the model check, and how often. */
import fc from 'fast-check';

export const CALLER = 'app.shop';
export const SERVICES = ['a.shop', 'b.shop', 'c.shop', 'd.shop'];
export const TCP = 'redis.shop:6379';
/** Domains that wander between services. */
export const ROAMING = ['x.example', 'y.example'];
/** Its domains never change: a raw virtual host does not change what a host stands for. */
export const STEADY = 'd.shop';
export const HOSTS = [...SERVICES, ...SERVICES.map((name) => `${name}:80`), ...ROAMING, 'nobody.shop'];

export type Op =
  | { readonly do: 'service'; readonly service: number; readonly canary: boolean; readonly roaming: number }
  | { readonly do: 'gone'; readonly service: number }
  | { readonly do: 'endpoints'; readonly service: number }
  | { readonly do: 'cluster'; readonly service: number }
  | { readonly do: 'tcp'; readonly there: boolean }
  | { readonly do: 'preload'; readonly services: readonly number[]; readonly tcp: boolean }
  | { readonly do: 'deny'; readonly service: number; readonly on: boolean }
  | { readonly do: 'raw'; readonly service: number; readonly type: 'cds' | 'eds' | 'vhds'; readonly on: boolean }
  | { readonly do: 'listener' }
  | { readonly do: 'lost' }
  | { readonly do: 'wake' }
  | { readonly do: 'turn' }
  | { readonly do: 'call'; readonly host: number; readonly generation: number }
  | { readonly do: 'again'; readonly host: number }
  | { readonly do: 'cluster-call'; readonly service: number }
  | { readonly do: 'up'; readonly count: number }
  | { readonly do: 'down'; readonly count: number }
  | { readonly do: 'time'; readonly ms: number }
  | { readonly do: 'reconnect' }
  | { readonly do: 'hold' }
  | { readonly do: 'drain' }
  | { readonly do: 'generation'; readonly number: number; readonly on: boolean }
  /** Renewals: an edge expires; what was proved by asking comes into the log; the old listeners have drained. */
  | { readonly do: 'expire'; readonly service: number }
  | { readonly do: 'learn' }
  | { readonly do: 'drained' }
  /** Age of the node's longest stream, ms; undefined: not known. */
  | { readonly do: 'streams'; readonly ms: number | undefined }
  /** Reconnects to a replica that knows of no renewal. */
  | { readonly do: 'replica' }
  | { readonly do: 'refuse'; readonly type: 'cds' | 'vhds' | 'eds' | 'lds'; readonly next: number };

const service = fc.nat({ max: SERVICES.length - 1 });

export const opArbitrary = (refusals: boolean): fc.Arbitrary<Op> => {
  const calm: fc.WeightedArbitrary<Op>[] = [
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('service' as const),
        service,
        canary: fc.boolean(),
        roaming: fc.nat({ max: 3 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('gone' as const), service }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('endpoints' as const), service }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('cluster' as const), service }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('tcp' as const), there: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('preload' as const),
        services: fc.uniqueArray(service),
        tcp: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('deny' as const), service, on: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('raw' as const),
        service,
        type: fc.constantFrom('cds' as const, 'eds' as const, 'vhds' as const),
        on: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ do: 'listener' as const }) },
    { weight: 1, arbitrary: fc.constant({ do: 'lost' as const }) },
    { weight: 6, arbitrary: fc.constant({ do: 'wake' as const }) },
    { weight: 6, arbitrary: fc.constant({ do: 'turn' as const }) },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('call' as const),
        host: fc.nat({ max: HOSTS.length - 1 }),
        generation: fc.nat({ max: 1 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('again' as const), host: fc.nat({ max: HOSTS.length - 1 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('cluster-call' as const), service: fc.nat({ max: SERVICES.length }) }),
    },
    { weight: 10, arbitrary: fc.record({ do: fc.constant('up' as const), count: fc.integer({ min: 1, max: 6 }) }) },
    { weight: 10, arbitrary: fc.record({ do: fc.constant('down' as const), count: fc.integer({ min: 1, max: 6 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 1_500 }) }) },
    { weight: 1, arbitrary: fc.constant({ do: 'reconnect' as const }) },
    { weight: 1, arbitrary: fc.constant({ do: 'hold' as const }) },
    { weight: 2, arbitrary: fc.constant({ do: 'drain' as const }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('generation' as const), number: fc.nat({ max: 1 }), on: fc.boolean() }),
    },
  ];
  return refusals
    ? fc.oneof(...calm, {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant('refuse' as const),
          type: fc.constantFrom('cds' as const, 'vhds' as const, 'eds' as const, 'lds' as const),
          next: fc.nat({ max: 2 }),
        }),
      })
    : fc.oneof(...calm);
};

const isManual = ({ do: does }: Op): boolean => does === 'generation';
/** A response taken apart after a refusal parts loser and winner of a domain in the same way as a split one. */
const settled = (op: Op): Op => (op.do === 'service' ? { ...op, roaming: 0 } : op);

/** The same in a mesh whose generations are renewed: the listener says which route configuration is used. */
export const renewalOpArbitrary = (refusals: boolean): fc.Arbitrary<Op> => {
  const own: fc.WeightedArbitrary<Op>[] = [
    { weight: 12, arbitrary: fc.record({ do: fc.constant('expire' as const), service }) },
    { weight: 6, arbitrary: fc.constant({ do: 'learn' as const }) },
    { weight: 6, arbitrary: fc.constant({ do: 'drained' as const }) },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('streams' as const), ms: fc.constantFrom(0, 0, 500, 5_000, undefined) }),
    },
    { weight: 3, arbitrary: fc.constant({ do: 'replica' as const }) },
    {
      weight: 60,
      arbitrary: opArbitrary(refusals)
        .filter((op) => !isManual(op))
        .map((op) => (refusals ? settled(op) : op)),
    },
  ];
  return fc.oneof(...own);
};
