/** `match` of Route version 1 (policies.md sections 1 and 3) in `RouteMatch`. What Envoy makes of it: envoy-matches.test.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { plainResource } from './plain.ts';
import { compileAll, find, mesh, service } from './support.ts';

const matches = (match: string): Record<string, unknown>[] => {
  const yaml = `kind: Route\nmetadata: {name: cart, namespace: shop}\nspec: {rules: {r: {match: ${match}}}}`;
  const { body } = find(compileAll(mesh({ services: [service('cart.shop')], yaml })), 'vhds', 'cart.shop:80');
  const { routes } = plainResource('vhds', body) as { routes: { match: Record<string, unknown> }[] };
  return routes.slice(0, -1).map((route) => route.match);
};

const only = (match: string): Record<string, unknown> => {
  const [first, ...rest] = matches(match);
  assert.deepEqual(rest, []);
  return first ?? {};
};

const header = (matcher: string): unknown => {
  const { headers, ...rest } = only(`{headers: {X-Key: ${matcher}}}`);
  assert.deepEqual(rest, { prefix: '/' });
  const [first, ...others] = headers as { name: string }[];
  assert.deepEqual(others, []);
  const { name, ...fields } = first ?? { name: '' };
  assert.equal(name, 'x-key');
  return fields;
};

describe('path', () => {
  const cases: readonly [match: string, expected: object][] = [
    ['{path: {exact: /a}}', { path: '/a' }],
    ['{path: {exact: /a, ignoreCase: true}}', { path: '/a', caseSensitive: {} }],
    ['{path: {prefix: /v2}}', { pathSeparatedPrefix: '/v2' }],
    ['{path: {prefix: /v2, ignoreCase: true}}', { pathSeparatedPrefix: '/v2', caseSensitive: {} }],
    ['{path: {prefix: /}}', { prefix: '/' }],
    ['{path: {prefix: /v2/}}', { prefix: '/v2/' }],
    ['{path: {regex: "/item/[0-9]+"}}', { safeRegex: { regex: '/item/[0-9]+' } }],
    ['{path: {regex: "/item/[a-z]+", ignoreCase: true}}', { safeRegex: { regex: '(?i)/item/[a-z]+' } }],
  ];
  for (const [match, expected] of cases) test(match, () => assert.deepEqual(only(match), expected));

  test('in: one route each', () => {
    assert.deepEqual(matches('{path: {in: [/b, /a]}}'), [{ path: '/a' }, { path: '/b' }]);
  });
});

describe('method and grpc', () => {
  test('one method, several methods', () => {
    const method = (value: object): object => ({ prefix: '/', headers: [{ name: ':method', stringMatch: value }] });
    assert.deepEqual(only('{method: GET}'), method({ exact: 'GET' }));
    assert.deepEqual(only('{method: [POST, GET, M-SEARCH]}'), method({ safeRegex: { regex: 'GET|M\\-SEARCH|POST' } }));
  });

  test('interface, and one method of it; only requests of gRPC', () => {
    assert.deepEqual(only('{grpc: {service: shop.Cart}}'), { prefix: '/shop.Cart/', grpc: {} });
    assert.deepEqual(only('{grpc: {service: shop.Cart, method: AddItem}}'), { path: '/shop.Cart/AddItem', grpc: {} });
  });
});

describe('headers', () => {
  const cases: readonly [matcher: string, expected: object][] = [
    ['jason', { stringMatch: { exact: 'jason' } }],
    ['{exact: ""}', { stringMatch: { exact: '' } }],
    ['{prefix: a}', { stringMatch: { prefix: 'a' } }],
    ['{suffix: a}', { stringMatch: { suffix: 'a' } }],
    ['{contains: a, ignoreCase: true}', { stringMatch: { contains: 'a', ignoreCase: true } }],
    ['{regex: "a+"}', { stringMatch: { safeRegex: { regex: 'a+' } } }],
    ['{regex: "a+", ignoreCase: true}', { stringMatch: { safeRegex: { regex: '(?i)a+' } } }],
    ['{in: [b, a.c]}', { stringMatch: { safeRegex: { regex: 'a\\.c|b' } } }],
    ['{in: [b, a], ignoreCase: true}', { stringMatch: { safeRegex: { regex: '(?i)a|b' } } }],
    ['{exact: a, not: true}', { stringMatch: { exact: 'a' }, invertMatch: true, treatMissingHeaderAsEmpty: true }],
    ['{present: true}', { presentMatch: true }],
    ['{present: false}', { presentMatch: false }],
    ['{present: true, not: true}', { presentMatch: false }],
    ['{range: [-5, 10]}', { rangeMatch: { start: -5, end: 10 } }],
    ['{range: [0, 10], not: true}', { rangeMatch: { end: 10 }, invertMatch: true, treatMissingHeaderAsEmpty: true }],
  ];
  for (const [matcher, expected] of cases) {
    test(matcher, () => {
      const made = header(matcher) as Record<string, unknown>;
      assert.deepEqual(JSON.parse(JSON.stringify(made)), expected);
    });
  }
});

describe('query', () => {
  const query = (matcher: string): Record<string, unknown> => only(`{query: {q: ${matcher}}}`);

  test('text conditions and presence', () => {
    assert.deepEqual(query('gold').queryParameters, [{ name: 'q', stringMatch: { exact: 'gold' } }]);
    assert.deepEqual(query('{present: true}').queryParameters, [{ name: 'q', presentMatch: true }]);
    assert.deepEqual(query('{present: false, not: true}').queryParameters, [{ name: 'q', presentMatch: true }]);
  });

  test('what Envoy has no inverted matcher for is said of :path', () => {
    const path = (matcher: string): unknown => {
      const { queryParameters, headers } = query(matcher);
      assert.equal(queryParameters, undefined);
      const [first] = headers as {
        name: string;
        invertMatch: boolean;
        stringMatch: { safeRegex: { regex: string } };
      }[];
      assert.deepEqual([first?.name, first?.invertMatch], [':path', true]);
      return first?.stringMatch.safeRegex.regex;
    };
    assert.equal(path('{present: false}'), '[^?]*\\?(?:\\C*&)?q(?:[=&]\\C*)?');
    assert.equal(path('{exact: a.b, not: true}'), '[^?]*\\?(?:\\C*&)?q=(?:a\\.b)(?:&\\C*)?');
    assert.equal(path('{in: [b, a], not: true, ignoreCase: true}'), '[^?]*\\?(?:\\C*&)?q=(?i:(?:a|b)(?:&\\C*)?)');
  });
});

describe('lists above the regex size of a stock Envoy (100 instructions)', () => {
  const users = Array.from({ length: 30 }, (_, index) => `user-${index}@example.com`);
  const list = JSON.stringify(users);
  const literals = (regex: string): number => Buffer.byteLength(regex.replaceAll('\\', '')) + 1;

  test('in: alternatives, as further routes of the rule; together they hold every value once', () => {
    const made = matches(`{headers: {x: {in: ${list}}}}`);
    const regexes = made.map(({ headers }) => {
      const [only] = headers as { stringMatch: { safeRegex: { regex: string } } }[];
      return only?.stringMatch.safeRegex.regex ?? '';
    });
    for (const regex of regexes) assert.ok(literals(regex) <= 95, regex);
    const held = regexes.flatMap((regex) => regex.replaceAll('\\', '').split('|'));
    assert.deepEqual(held.sort(), [...users].sort());
  });

  test('in with not: one route, conditions that all hold', () => {
    for (const match of [`{headers: {x: {in: ${list}, not: true}}}`, `{query: {x: {in: ${list}, not: true}}}`]) {
      const headers = only(match).headers as { invertMatch: boolean }[];
      assert.ok(headers.length > 6 && headers.every(({ invertMatch }) => invertMatch), match);
    }
  });

  test('a text that is too long alone is compared as it is', () => {
    const long = 'x'.repeat(200);
    assert.deepEqual(
      matches(`{headers: {x: {in: [a, ${long}, z]}}}`).map(({ headers }) => headers),
      [
        [{ name: 'x', stringMatch: { exact: 'a' } }],
        [{ name: 'x', stringMatch: { exact: long } }],
        [{ name: 'x', stringMatch: { exact: 'z' } }],
      ],
    );
    const path = (matcher: string): unknown =>
      (only(`{query: {q: ${matcher}}}`).headers as { stringMatch: object }[]).map(({ stringMatch }) => stringMatch);
    assert.deepEqual(path(`{exact: ${long}, not: true}`), [
      { contains: `?q=${long}&` },
      { suffix: `?q=${long}` },
      { contains: `&q=${long}&` },
      { suffix: `&q=${long}` },
    ]);
    assert.deepEqual(path(`{prefix: ${long}, not: true}`), [{ contains: `?q=${long}` }, { contains: `&q=${long}` }]);
  });

  test('a rule becomes at most 64 routes for each path; then regexes get longer', () => {
    const huge = JSON.stringify(Array.from({ length: 250 }, (_, index) => `user-${index}@example.com`));
    const made = matches(`{path: {in: [/a, /b]}, headers: {x: {in: ${huge}}, y: {in: ${list}}}}`);
    assert.ok(made.length <= 128 && made.length > 32, `${made.length}`);
  });

  test('a query value with & cannot be: nothing to rule out', () => {
    const { headers, queryParameters } = only('{query: {q: {contains: "a&b", not: true}}}');
    assert.deepEqual([headers, queryParameters], [undefined, undefined]);
  });
});

test('all conditions of a rule hold together', () => {
  const match =
    '{path: {prefix: /a}, method: PUT, headers: {b: "1", A: "2"}, query: {y: "3", x: {exact: "4", not: true}}}';
  const { headers, queryParameters, pathSeparatedPrefix } = only(match);
  assert.equal(pathSeparatedPrefix, '/a');
  assert.deepEqual(
    (headers as { name: string }[]).map(({ name }) => name),
    [':method', 'a', 'b', ':path'],
  );
  assert.equal((queryParameters as unknown[]).length, 1);
});
