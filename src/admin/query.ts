/** Query parameters, checked before a handler runs. */
import { refusal } from './problem.ts';
import type { AnyRoute, RequestContext } from './route.ts';

/** Throws E101 for an unknown parameter, E102 and E104 for a bad value. */
export const parseQuery = (definition: AnyRoute, url: string): RequestContext['query'] => {
  const at = url.indexOf('?');
  const given = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
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
