/** Which route takes a call: the cases that a real Envoy is held against, and random rules against a plain evaluation of documents. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { effective, type ResolvedMatch, resolveRoute, type TextMatch } from '../../../src/model/index.ts';
import { createCallCore } from '../../../src/sidecar-client/calls/index.ts';
import { CASES } from '../../compile/match-cases.ts';
import { compileAll, mesh, service } from '../../compile/support.ts';
import { document, layer } from '../../model/support.ts';
import { call, Held } from './held.ts';

const SUBSETS = `
kind: Upstream
metadata: {name: subsets, namespace: shop}
spec: {scope: {namespace: true}, subsets: {rule: {labels: {v: rule}}, spec: {labels: {v: spec}}}}
`;

describe('the cases of envoy-matches.test.ts', () => {
  const services = CASES.map((_, index) => service(`c${index}.shop`));
  const routes = CASES.map(
    ({ match }, index) => `
kind: Route
metadata: {name: c${index}, namespace: shop}
spec: {to: {spec: {}}, rules: {r: {match: ${match}, to: {rule: {}}}}}
`,
  );
  const held = new Held().putAll(compileAll(mesh({ services, yaml: [SUBSETS, ...routes].join('---') })));
  const core = createCallCore({ source: held, random: () => 0 });
  for (const [index, { match, takes, leaves }] of CASES.entries()) {
    test(match, () => {
      const chosen = (request: Parameters<typeof call>[1]): string | undefined =>
        core.route(call(`c${index}.shop`, { ...request }))?.cluster;
      for (const request of takes)
        assert.equal(chosen(request), `c${index}.shop:80/rule`, `takes ${JSON.stringify(request)}`);
      for (const request of leaves)
        assert.equal(chosen(request), `c${index}.shop:80/spec`, `leaves ${JSON.stringify(request)}`);
    });
  }
});

/** Matcher M by its definition in policies.md, without Envoy's form in between. */
const textHolds = (match: TextMatch, value: string | undefined): boolean => {
  const holds = (text: string): boolean => {
    const fold = (each: string): string => ('ignoreCase' in match && match.ignoreCase ? each.toLowerCase() : each);
    switch (match.kind) {
      case 'present':
        return false;
      case 'in':
        return match.values.some((each) => fold(each) === fold(text));
      case 'exact':
        return fold(text) === fold(match.value);
      case 'prefix':
        return fold(text).startsWith(fold(match.value));
      case 'suffix':
        return fold(text).endsWith(fold(match.value));
      case 'contains':
        return fold(text).includes(fold(match.value));
      case 'regex':
        return new RegExp(`^(?:${match.value})$`, match.ignoreCase ? 'i' : '').test(text);
    }
  };
  if (match.kind === 'present') return (value !== undefined) === (match.present !== match.not);
  if (match.not) return !holds(value ?? '');
  return value !== undefined && holds(value);
};

interface Asked {
  readonly path: string;
  readonly method: string;
  readonly headers: Record<string, string>;
}

const matchHolds = ({ paths, methods, headers }: ResolvedMatch, asked: Asked): boolean => {
  const [path = ''] = asked.path.split('?');
  const pathHolds = paths.some(({ kind, value, ignoreCase }) => {
    const [a, b] = ignoreCase ? [path.toLowerCase(), value.toLowerCase()] : [path, value];
    if (kind === 'exact') return a === b;
    if (kind === 'regex') return new RegExp(`^(?:${value})$`, ignoreCase ? 'i' : '').test(path);
    return a === b || a.startsWith(b.endsWith('/') ? b : `${b}/`);
  });
  return (
    (paths.length === 0 || pathHolds) &&
    (methods.length === 0 || methods.includes(asked.method)) &&
    headers.every(({ name, match }) => match.kind !== 'range' && textHolds(match as TextMatch, asked.headers[name]))
  );
};

const PATHS = ['/', '/a', '/a/b', '/ab', '/A', '/a/b/c', '/b'];
const VALUES = ['a', 'b', 'A', 'ab', 'a.b', ''];
const arbPath = fc.oneof(
  fc.record({ exact: fc.constantFrom(...PATHS) }),
  fc.record({ prefix: fc.constantFrom(...PATHS), ignoreCase: fc.boolean() }),
  fc.record({ regex: fc.constantFrom('/[ab]', '/a(/.*)?', '/.+/b') }),
  fc.record({ in: fc.subarray(PATHS, { minLength: 1 }) }),
);
const arbText = fc.oneof(
  fc.record({ exact: fc.constantFrom(...VALUES), not: fc.boolean(), ignoreCase: fc.boolean() }),
  fc.record({ prefix: fc.constantFrom('a', 'A'), not: fc.boolean(), ignoreCase: fc.boolean() }),
  fc.record({ suffix: fc.constantFrom('b', '.b'), not: fc.boolean() }),
  fc.record({ contains: fc.constantFrom('.', 'a'), not: fc.boolean() }),
  fc.record({ regex: fc.constantFrom('a.?', '[a-b]+'), not: fc.boolean(), ignoreCase: fc.boolean() }),
  fc.record({ in: fc.subarray(VALUES, { minLength: 1 }), not: fc.boolean() }),
  fc.record({ present: fc.boolean(), not: fc.boolean() }),
);
const arbRule = fc.record({
  order: fc.integer({ min: -1, max: 1 }),
  match: fc.record(
    {
      path: arbPath,
      method: fc.constantFrom('GET', ['GET', 'PUT']),
      headers: fc.record({ x: arbText, y: arbText }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  ),
});
const arbAsked = fc.record({
  path: fc.tuple(fc.constantFrom(...PATHS), fc.constantFrom('', '?q=1')).map((parts) => parts.join('')),
  method: fc.constantFrom('GET', 'PUT', 'POST'),
  headers: fc.record({ x: fc.constantFrom(...VALUES), y: fc.constantFrom(...VALUES) }, { requiredKeys: [] }),
});

test('documents -> bytes -> route is the first rule that holds', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('r1', 'r2', 'r3', 'r4'), arbRule, { noNullPrototype: true }),
      fc.array(arbAsked, { minLength: 5, maxLength: 15 }),
      (rules, requests) => {
        const port = { service: 'cart.shop', port: 80, protocol: 'http' } as const;
        const resolved = resolveRoute(effective('Route', [layer(document('Route', 'cart', { rules }, 'shop'))]), port);
        const inputs = { ...mesh({ services: [service('cart.shop')] }), route: () => resolved };
        const core = createCallCore({ source: new Held().putAll(compileAll(inputs)), random: () => 0 });
        for (const asked of requests) {
          const rule = resolved.rules.find(({ match }) => matchHolds(match, asked))?.name;
          const name = core.route(call('cart.shop', asked))?.name.replace(/~\d+$/, '');
          assert.equal(name, rule === undefined ? 'cart.shop:80' : `cart.shop:80/${rule}`, JSON.stringify(asked));
        }
      },
    ),
    { numRuns: 150 },
  );
});
