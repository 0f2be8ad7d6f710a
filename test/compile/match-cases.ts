/** Every kind of match with the requests it takes and leaves: held against a real Envoy, and against the client library. */
export interface Request {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Case {
  readonly match: string;
  readonly takes: readonly Request[];
  readonly leaves: readonly Request[];
}

const paths = (...all: string[]): Request[] => all.map((path) => ({ path }));
const queries = (...all: string[]): Request[] => all.map((query) => ({ path: `/a${query}` }));
const xs = (...values: (string | undefined)[]): Request[] =>
  values.map((value) => (value === undefined ? {} : { headers: { x: value } }));

/** Lists that a stock Envoy would refuse as one regex. */
const USERS = Array.from({ length: 40 }, (_, index) => `user-${index}@example.com`);
const MANY = JSON.stringify(USERS);
const LONG = 'l'.repeat(300);

export const CASES: readonly Case[] = [
  { match: '{path: {exact: /a}}', takes: paths('/a', '/a?x=1'), leaves: paths('/', '/a/', '/ab', '/A') },
  { match: '{path: {exact: /a, ignoreCase: true}}', takes: paths('/a', '/A'), leaves: paths('/b') },
  {
    match: '{path: {prefix: /v2}}',
    takes: paths('/v2', '/v2/x', '/v2?y', '/v2/'),
    leaves: paths('/v20', '/V2', '/x/v2'),
  },
  { match: '{path: {prefix: /v2, ignoreCase: true}}', takes: paths('/V2', '/v2/X'), leaves: paths('/V20') },
  { match: '{path: {prefix: /v2/}}', takes: paths('/v2/', '/v2/x'), leaves: paths('/v2', '/v20/') },
  { match: '{path: {prefix: /}}', takes: paths('/', '/x', '/?y'), leaves: [] },
  { match: '{path: {regex: "/i/[0-9]+"}}', takes: paths('/i/12', '/i/1?x'), leaves: paths('/i/12/', '/i/a', '/x/i/1') },
  { match: '{path: {regex: "/i/[a-z]", ignoreCase: true}}', takes: paths('/I/A'), leaves: paths('/i/1') },
  { match: '{path: {in: [/a, /b]}}', takes: paths('/a', '/b'), leaves: paths('/c', '/a/b') },
  { match: '{method: GET}', takes: [{}], leaves: [{ method: 'POST' }] },
  {
    match: '{method: [PUT, PATCH]}',
    takes: [{ method: 'PUT' }, { method: 'PATCH' }],
    leaves: [{}, { method: 'POST' }],
  },
  {
    match: '{grpc: {service: shop.Cart}}',
    takes: [{ path: '/shop.Cart/Add', method: 'POST', headers: { 'content-type': 'application/grpc' } }],
    leaves: [
      { path: '/shop.Cart/Add', method: 'POST' },
      { path: '/shop.Carts/Add', method: 'POST', headers: { 'content-type': 'application/grpc' } },
    ],
  },
  {
    match: '{grpc: {service: shop.Cart, method: Add}}',
    takes: [{ path: '/shop.Cart/Add', method: 'POST', headers: { 'content-type': 'application/grpc+proto' } }],
    leaves: [{ path: '/shop.Cart/Adds', method: 'POST', headers: { 'content-type': 'application/grpc' } }],
  },

  { match: '{headers: {X: jason}}', takes: xs('jason'), leaves: xs(undefined, 'Jason', 'jason2', '') },
  { match: '{headers: {x: {exact: jason, ignoreCase: true}}}', takes: xs('JASON'), leaves: xs('jasons') },
  { match: '{headers: {x: {exact: jason, not: true}}}', takes: xs(undefined, 'x', 'Jason'), leaves: xs('jason') },
  { match: '{headers: {x: {prefix: ab}}}', takes: xs('ab', 'abc'), leaves: xs('a', 'cab', undefined) },
  { match: '{headers: {x: {suffix: ab}}}', takes: xs('ab', 'cab'), leaves: xs('abc') },
  { match: '{headers: {x: {contains: b.c}}}', takes: xs('ab.cd'), leaves: xs('abxcd', undefined) },
  { match: '{headers: {x: {contains: b, ignoreCase: true, not: true}}}', takes: xs('a', undefined), leaves: xs('aBc') },
  { match: '{headers: {x: {regex: "v[0-9]"}}}', takes: xs('v1'), leaves: xs('v12', 'xv1', 'V1', undefined) },
  { match: '{headers: {x: {regex: "v[0-9]", ignoreCase: true}}}', takes: xs('V1'), leaves: xs('1') },
  { match: '{headers: {x: {regex: "v[0-9]", not: true}}}', takes: xs('v12', undefined), leaves: xs('v1') },
  {
    match: '{headers: {x: {in: [a, "b|c", "(d"]}}}',
    takes: xs('a', 'b|c', '(d'),
    leaves: xs('b', 'c', 'aa', undefined),
  },
  { match: '{headers: {x: {in: [a, b], not: true}}}', takes: xs('c', undefined), leaves: xs('a', 'b') },
  { match: '{headers: {x: {in: [a, b], ignoreCase: true}}}', takes: xs('A', 'B'), leaves: xs('ab') },
  { match: '{headers: {x: {present: true}}}', takes: xs('', 'a'), leaves: xs(undefined) },
  { match: '{headers: {x: {present: false}}}', takes: xs(undefined), leaves: xs('', 'a') },
  { match: '{headers: {x: {present: true, not: true}}}', takes: xs(undefined), leaves: xs('a') },
  { match: '{headers: {x: {range: [-1, 10]}}}', takes: xs('-1', '0', '9'), leaves: xs('10', '-2', 'a', '', undefined) },
  { match: '{headers: {x: {range: [0, 10], not: true}}}', takes: xs('10', 'a', undefined), leaves: xs('0', '9') },

  {
    match: '{query: {q: gold}}',
    takes: queries('?q=gold', '?a=1&q=gold'),
    leaves: queries('', '?q=', '?q=golds', '?x=gold', '?q=g%6fld'),
  },
  { match: '{query: {q: {exact: gold, ignoreCase: true}}}', takes: queries('?q=GOLD'), leaves: queries('?Q=gold') },
  {
    match: '{query: {q: {exact: gold, not: true}}}',
    takes: queries('', '?q=', '?q=golds', '?xq=gold', '?q', '?q=gold%20'),
    leaves: queries('?q=gold', '?a&q=gold', '?q=gold&b'),
  },
  { match: '{query: {q: {prefix: a.}}}', takes: queries('?q=a.b'), leaves: queries('?q=ab') },
  {
    match: '{query: {q: {prefix: a., not: true}}}',
    takes: queries('?q=ab', '?q=&x=a.'),
    leaves: queries('?q=a.', '?q=a.b'),
  },
  { match: '{query: {q: {suffix: b}}}', takes: queries('?q=ab'), leaves: queries('?q=ba') },
  { match: '{query: {q: {suffix: b, not: true}}}', takes: queries('?q=ba&x=b'), leaves: queries('?q=ab', '?q=b&x') },
  { match: '{query: {q: {contains: b}}}', takes: queries('?q=abc'), leaves: queries('?q=a&x=b') },
  {
    match: '{query: {q: {contains: B, ignoreCase: true, not: true}}}',
    takes: queries('?q=a&x=b'),
    leaves: queries('?q=abc'),
  },
  { match: '{query: {q: {regex: "[a-z]+"}}}', takes: queries('?q=ab'), leaves: queries('?q=a1') },
  {
    match: '{query: {q: {regex: "[a-z]+", not: true}}}',
    takes: queries('?q=a1', ''),
    leaves: queries('?q=ab', '?q=1&q=ab'),
  },
  { match: '{query: {q: {in: [a, b]}}}', takes: queries('?q=a', '?q=b'), leaves: queries('?q=c') },
  { match: '{query: {q: {in: [a, b], not: true}}}', takes: queries('?q=c', '?q=ab'), leaves: queries('?q=a', '?q=b') },
  {
    match: '{query: {q: {present: true}}}',
    takes: queries('?q=', '?q', '?q=1', '?a=2&q'),
    leaves: queries('', '?x=q', '?qq=1'),
  },
  {
    match: '{query: {q: {present: false}}}',
    takes: queries('', '?', '?x=q', '?qq=1', '?x=1&qq'),
    leaves: queries('?q', '?q=', '?q=1', '?a&q=2&b'),
  },
  { match: '{query: {"q[]": {exact: "1", not: true}}}', takes: queries('?q[]=2', '?q=1'), leaves: queries('?q[]=1') },

  { match: `{headers: {x: {in: ${MANY}}}}`, takes: xs(...USERS), leaves: xs('user-40@example.com', undefined) },
  {
    match: `{headers: {x: {in: ${MANY}, not: true}}}`,
    takes: xs('user-40@example.com', undefined),
    leaves: xs(...USERS),
  },
  {
    match: `{query: {q: {in: ${MANY}}}}`,
    takes: queries(...USERS.map((user) => `?a&q=${user}`)),
    leaves: queries('?q=user-40@example.com', ''),
  },
  {
    match: `{query: {q: {in: ${MANY}, not: true}}}`,
    takes: queries('?q=user-40@example.com', '', `?q=${USERS[0]}x`),
    leaves: queries(...USERS.map((user) => `?a&q=${user}&b`)),
  },
  {
    match: `{query: {q: {exact: ${LONG}, not: true}}}`,
    takes: queries('', `?q=${LONG}x`, `?xq=${LONG}`, `?q=${LONG}x&b`),
    leaves: queries(`?q=${LONG}`, `?q=${LONG}&b`, `?a&q=${LONG}`, `?a&q=${LONG}&b`),
  },
  {
    match: `{query: {q: {prefix: ${LONG}, not: true}}}`,
    takes: queries('', `?q=x${LONG}`, `?xq=${LONG}`),
    leaves: queries(`?q=${LONG}`, `?q=${LONG}x`, `?a&q=${LONG}x&b`),
  },
  { match: '{query: {q: {contains: "a&b", not: true}}}', takes: queries('', '?q=a&b', '?q=a%26b'), leaves: [] },
  {
    match: '{path: {in: [/a, /b]}, method: [GET, PUT], headers: {x: "1"}, query: {q: "2"}}',
    takes: [
      { path: '/a?q=2', headers: { x: '1' } },
      { path: '/b?q=2', method: 'PUT', headers: { x: '1' } },
    ],
    leaves: [
      { path: '/c?q=2', headers: { x: '1' } },
      { path: '/a?q=2', method: 'POST', headers: { x: '1' } },
      { path: '/a?q=2' },
      { path: '/a?q=3', headers: { x: '1' } },
    ],
  },
];
