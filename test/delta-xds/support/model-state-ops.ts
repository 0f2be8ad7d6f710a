/** What may happen in the world of the model check of state-of-the-world streams, and how often. */
import fc from 'fast-check';
import { STATE_TYPES, type StateType } from './sim-state-client.ts';

export const CALLER = 'app.shop';
export const SERVICES = ['a.shop:80', 'b.shop:80', 'c.shop:80'];
/** Names that may be asked for; the last of each never exists. */
export const NAMES: Readonly<Record<StateType, readonly string[]>> = {
  cds: [...SERVICES, 'inbound:80', 'nx.shop:80'],
  eds: [...SERVICES, 'nx.shop:80'],
  lds: ['la', 'lb', 'lc', 'nx'],
  sds: ['sa', 'sb', 'nx'],
};
export const PREFIX: Readonly<Record<StateType, string>> = { cds: 'c', eds: 'e', lds: 'l', sds: 's' };

export type StateOp =
  | { readonly do: 'put' | 'gone'; readonly type: StateType; readonly at: number }
  | { readonly do: 'want'; readonly type: StateType; readonly at: readonly number[] }
  | { readonly do: 'preload'; readonly at: readonly number[] }
  | { readonly do: 'deny'; readonly at: number; readonly on: boolean }
  | { readonly do: 'up' | 'down'; readonly count: number }
  | { readonly do: 'time'; readonly ms: number }
  | { readonly do: 'refuse'; readonly type: StateType }
  | { readonly do: 'lost' | 'wake' | 'turn' | 'reconnect' | 'hold' | 'drain' };

export const stateOpArbitrary = (refusals: boolean): fc.Arbitrary<StateOp> => {
  const type = fc.constantFrom(...STATE_TYPES);
  const at = fc.nat({ max: 4 });
  const count = fc.integer({ min: 1, max: 6 });
  const plain = (does: 'lost' | 'wake' | 'turn' | 'reconnect' | 'hold' | 'drain', weight: number) => ({
    weight,
    arbitrary: fc.constant({ do: does }),
  });
  const calm: fc.WeightedArbitrary<StateOp>[] = [
    { weight: 8, arbitrary: fc.record({ do: fc.constant('put' as const), type, at }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('gone' as const), type, at }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('want' as const), type, at: fc.uniqueArray(at) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('want' as const), type, at: fc.constant([]) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('preload' as const), at: fc.uniqueArray(at) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('deny' as const), at, on: fc.boolean() }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('up' as const), count }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('down' as const), count }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 1_500 }) }) },
    plain('lost', 1),
    plain('wake', 5),
    plain('turn', 5),
    plain('reconnect', 1),
    plain('hold', 1),
    plain('drain', 2),
  ];
  const refuse = fc.record({ do: fc.constant('refuse' as const), type });
  return refusals ? fc.oneof(...calm, { weight: 3, arbitrary: refuse }) : fc.oneof(...calm);
};
