/** Query parameters, checked before a handler runs. */
import { refusal } from './problem.ts';
import type { AnyRoute, RequestContext } from './route.ts';

/** Throws `AT_NOT_YET`, E101 for an unknown parameter, E102 and E104 for a bad value. */
export const parseQuery = (definition: AnyRoute, url: string): RequestContext['query'] => {
  const at = url.indexOf('?');
  const given = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  if (given.has('at') && !Object.hasOwn(definition.query, 'at'))
    throw refusal(
      'AT_NOT_YET',
      '?at= (reading an earlier state) is possible at /v1/graph only; elsewhere it comes with a later version of Tendril',
      {
        pointer: '?at',
        remedy: 'leave it out to read the newest state',
      },
    );
  for (const name of given.keys()) {
    if (!Object.hasOwn(definition.query, name))
      throw refusal(
        'E101',
        `unknown parameter "${name.slice(0, 80)}"; allowed are ${Object.keys(definition.query).join(', ') || 'none'}`,
        { pointer: `?${name.slice(0, 80)}` },
      );
    if (given.getAll(name).length > 1)
      throw refusal('E102', `${name} is given ${given.getAll(name).length} times; allowed is once`, {
        pointer: `?${name}`,
      });
  }
  return Object.fromEntries(
    Object.entries(definition.query).map(([name, param]) => [name, param.parse(given.get(name) ?? undefined, name)]),
  );
};
