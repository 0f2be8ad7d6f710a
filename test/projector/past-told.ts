/** All that can be asked of a state, as one value: of an earlier one, or of a fold. */
import type { FoldState, StateThen } from '../../src/projector/index.ts';
import { FULL } from './past-events.ts';

export const told = (state: StateThen | FoldState, rawKeys: Iterable<string>) => ({
  names: [...state.serviceNames()].filter((name) => state.service(name) !== undefined),
  services: FULL.map((name) => [name, state.service(name), state.serviceFacets(name), state.endpointCount(name)]),
  endpoints: FULL.map((name) => state.compileInputs.endpoints(name).flatMap((block) => block.endpoints())),
  one: state.endpoint('a.shop', 'e-1'),
  documents: [...state.policies()],
  routes: [...state.policies('Route')].map(({ name }) => name),
  effective: FULL.flatMap((name) =>
    (state.service(name)?.ports ?? []).map(({ port }) => [
      state.compileInputs.route(name, port),
      state.compileInputs.upstream(name, port),
    ]),
  ),
  foreign: FULL.map((name) => state.compileInputs.subsetsUsedElsewhere?.(name)),
  dependencies: FULL.map((name) => state.graphLookup.dependency(name)),
  suffixes: state.compileInputs.mesh().suffixes,
  raws: [...rawKeys].flatMap((key) => {
    const raw = state.raw(key);
    return raw === undefined ? [] : [[key, raw]];
  }),
});
