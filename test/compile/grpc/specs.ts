/** Random documents for gRPC clients. */
import fc from 'fast-check';

export const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
const regex = fc.oneof(
  fc.constantFrom('a|b', 'x+y?', '(?i)ab', '\\Qa.b\\E', '(?P<n>a)b', '\\d+', '\\pN|', '^a$', '[^a]+'),
  // These match the empty text.
  fc.constantFrom(
    'a*',
    '(?i)|b',
    'a||b',
    '(?:x|)y{0}',
    '[[:alpha:]]*',
    '[]|]?',
    '\\Aa?\\z',
    '(?i:b?)',
    '\\Q|\\E*',
    '.*',
  ),
);
const pathRegex = fc.oneof(regex, fc.constantFrom('.*', '[a-c]*', '/a{0,9}', '/.*|ab', '/(?i)A'));
const condition = fc.oneof(
  fc.record({ exact: fc.string({ maxLength: 9 }) }),
  fc.record({ prefix: fc.string({ minLength: 1, maxLength: 9 }) }),
  fc.record({ suffix: word }),
  fc.record({ contains: word }),
  fc.record({ regex }),
  fc.record({ in: fc.array(fc.string({ maxLength: 9 }), { minLength: 1, maxLength: 4 }) }),
  fc.record({ present: fc.boolean() }),
);
const flags = fc.record({ not: fc.boolean(), ignoreCase: fc.boolean() });
const matcher = fc.tuple(condition, flags).map(([given, more]) => ({ ...given, ...more }));
const range = fc
  .tuple(fc.integer(), fc.integer(), fc.boolean())
  .map(([a, b, not]) => ({ range: [Math.min(a, b), Math.max(a, b) + 1], not }));
const header = fc.constantFrom('x-user', 'a', 'k-bin', 'content-type', "o'k", 'user-agent');
const path = fc.oneof(
  fc.record({ exact: word.map((text) => `/${text}`) }),
  fc.record({ prefix: fc.constantFrom('/', '/a', '/a/', '/a/b') }),
  fc.record({ regex: pathRegex }),
  fc.record({
    in: fc.array(
      word.map((text) => `/${text}`),
      { minLength: 1, maxLength: 3 },
    ),
  }),
);
const match = fc.record(
  {
    path,
    method: fc.subarray(['GET', 'POST', 'PUT'], { minLength: 1 }),
    headers: fc.dictionary(header, fc.oneof(matcher, range), { maxKeys: 4 }),
    query: fc.dictionary(word, matcher, { maxKeys: 2 }),
  },
  { requiredKeys: [] },
);
const to = fc
  .dictionary(
    fc.constantFrom('v1', 'v2', 'stock.shop', '*', 'gone.shop'),
    fc.record({ weight: fc.integer({ min: 0, max: 1_000_000 }) }),
    { minKeys: 1 },
  )
  .filter((targets) => Object.values(targets).some(({ weight }) => weight > 0));
const retry = fc.record(
  {
    attempts: fc.integer({ min: 0, max: 10 }),
    when: fc.record({
      gateway: fc.boolean(),
      grpc: fc.subarray(['cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable']),
    }),
  },
  { requiredKeys: [] },
);
const rule = fc.record({ to, timeout: fc.constantFrom('0s', '1ms', '1.5s', '10m'), retry }, { requiredKeys: [] });
/** `spec` of a Route of a service with the subsets v1 and v2; not all are valid documents. */
export const routeSpec = fc
  .tuple(rule, fc.dictionary(word, fc.tuple(rule, match), { maxKeys: 4 }))
  .map(([base, rules]) => ({
    ...base,
    rules: Object.fromEntries(
      Object.entries(rules).map(([name, [fields, given]]) => [name, { ...fields, match: given }]),
    ),
  }));

const count = fc.integer({ min: 1, max: 0xffffffff });
const ring = fc.integer({ min: 1, max: 8 * 1024 * 1024 });
const lb = fc.oneof(
  fc.constant({ roundRobin: {} }),
  fc.constant({ random: {} }),
  fc.record({ leastRequest: fc.record({ choices: fc.integer({ min: 2, max: 10 }) }, { requiredKeys: [] }) }),
  fc.tuple(ring, ring).map(([a, b]) => ({ ringHash: { min: Math.min(a, b), max: Math.max(a, b) } })),
  fc.record({ ringHash: fc.record({ max: ring }, { requiredKeys: [] }) }),
  fc.record({ maglev: fc.constant({}) }),
);
const outlier = fc.record(
  {
    consecutive5xx: fc.integer({ min: 0, max: 1000 }),
    consecutiveGateway: fc.integer({ min: 0, max: 1000 }),
    ejectTime: fc.constantFrom('1s', '24h'),
    maxPercent: fc.integer({ min: 1, max: 100 }),
    interval: fc.constantFrom('100ms', '5s'),
  },
  { requiredKeys: [] },
);
const limits = fc.record(
  { requests: count, connections: count, pending: count, perEndpoint: count, requestsPerConnection: count },
  { requiredKeys: [] },
);
/** `spec` of an Upstream. */
export const upstreamSpec = fc
  .record(
    {
      lb,
      outlier,
      limits,
      panicPercent: fc.integer({ min: 0, max: 100 }),
      locality: fc.constant({ zoneAware: false }),
    },
    { requiredKeys: [] },
  )
  .map((spec) => ({
    ...spec,
    ...(spec.lb !== undefined && ('ringHash' in spec.lb || 'maglev' in spec.lb)
      ? { hash: [{ header: 'x-user' }, { ip: true }] }
      : {}),
  }));
