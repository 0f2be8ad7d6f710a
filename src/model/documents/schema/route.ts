/** Route (policies.md sections 3 and 4): what happens to a request on its way to this service. */
import { type Static, Type } from 'typebox';
import {
  anyText,
  atMostOne,
  bool,
  duration,
  exactlyOne,
  field,
  integer,
  later,
  list,
  map,
  number,
  object,
  optional,
  percent,
  port,
  text,
  unit,
  weight,
  word,
} from './fields.ts';
import { headerMutation, routeMatch } from './matchers.ts';
import { scope } from './scope.ts';

export const MAX_BODY_BYTES = 4096;
const HOUR = 3_600_000;

const retry = () =>
  object({
    attempts: field(integer(0, 10, { default: 1, description: 'Tries after the first, on another endpoint.' })),
    timeout: field(duration({ description: 'Per try; below `timeout`. Counts as 504.' })),
    when: field(
      object({
        connect: field(bool({ default: true })),
        refused: field(bool({ default: true })),
        unprocessed: field(bool({ default: true })),
        reset: field(bool({ default: false })),
        gateway: field(bool({ default: false })),
        status: field(list(integer(400, 599))),
        grpc: field(list(word('cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable'))),
      }),
    ),
    methods: field(later(list(text('method', undefined, 32)))),
    backoff: field(
      later(object({ base: field(duration({ default: '25ms' })), max: field(duration({ default: '250ms' })) })),
    ),
    hedge: field(later(bool({ default: false }))),
  });

const fault = () =>
  object({
    delay: field(object({ percent: field(percent()), time: field(duration({ maxMs: HOUR })) })),
    abort: field(
      unit(
        exactlyOne(
          object({ percent: optional(percent()), status: optional(integer(200, 599)), grpc: optional(integer(0, 16)) }),
          ['status', 'grpc'],
        ),
      ),
    ),
  });

const rewrite = () =>
  unit(
    atMostOne(
      object({
        host: optional(text('host')),
        path: optional(text('path', undefined, 4096)),
        prefix: optional(text('path', undefined, 4096)),
        regex: optional(object({ match: text('regex', undefined, 1024), replace: anyText(4096) })),
      }),
      ['path', 'prefix', 'regex'],
    ),
  );

const redirect = () =>
  unit(
    atMostOne(
      object({
        code: optional(
          Type.Unsafe<301 | 302 | 303 | 307 | 308>({ type: 'integer', enum: [301, 302, 303, 307, 308], default: 302 }),
        ),
        https: optional(bool()),
        host: optional(text('host')),
        port: optional(port()),
        path: optional(text('path', undefined, 4096)),
        prefix: optional(text('path', undefined, 4096)),
        stripQuery: optional(bool()),
      }),
      ['path', 'prefix'],
    ),
  );

const fallback = () =>
  unit(
    object({
      status: Type.Unsafe<200 | 203 | 204 | 404 | 429 | 500 | 503 | 504>({
        type: 'integer',
        enum: [200, 203, 204, 404, 429, 500, 503, 504],
      }),
      body: optional(Type.String()),
      type: optional(text('token')),
      when: optional(
        object({
          noEndpoint: optional(bool({ default: true })),
          overflow: optional(bool({ default: true })),
          reset: optional(bool({ default: false })),
          timeout: optional(bool({ default: false })),
        }),
      ),
    }),
  );

/** Fields of `spec` and of `spec.rules.<name>` alike. */
const common = () => ({
  to: field(
    unit(
      map('routeTarget', object({ weight: optional(weight()), headers: optional(later(headerMutation())) }), {
        min: 1,
        description: 'Split over subsets or other services, by target.',
      }),
    ),
  ),
  sticky: field(
    later(
      unit(
        exactlyOne(object({ header: optional(text('headerName')), cookie: optional(text('token')) }), [
          'header',
          'cookie',
        ]),
      ),
    ),
  ),
  timeout: field(duration({ off: true, default: '0s', description: 'Whole request with its retries; 0s: none.' })),
  idleTimeout: field(
    duration({
      off: true,
      default: '5m',
      description: 'Nothing moves in either direction; 0s: none. 0s on grpc ports.',
    }),
  ),
  streamTimeout: field(later(duration({ off: true, default: '0s' }))),
  retry: field(retry()),
  fault: field(later(fault())),
  mirror: field(later(unit(map('routeTarget', object({ percent: optional(percent({ default: 100 })) }), { min: 1 })))),
  rewrite: field(later(rewrite())),
  headers: field(later(headerMutation())),
  redirect: field(later(redirect())),
  respond: field(
    later(unit(object({ status: integer(200, 599), body: optional(Type.String()), type: optional(text('token')) }))),
  ),
  fallback: field(later(fallback())),
  websocket: field(later(bool({ default: true }))),
});

const rollout = () =>
  later(
    unit(
      object({
        from: text('routeTarget'),
        to: text('routeTarget'),
        steps: optional(list(percent(), { min: 1, max: 20 })),
        hold: optional(duration({ minMs: 10_000, maxMs: 168 * HOUR, default: '5m' })),
        manual: optional(bool({ default: false })),
        abort: optional(
          object({
            errorPercent: optional(percent({ default: 5 })),
            minRequests: optional(integer(1, 1_000_000_000, { default: 100 })),
            compare: optional(number(0, 1_000_000, { default: 2 })),
            refused: optional(bool({ default: true })),
            slower: optional(number(0, 1_000_000, { default: 2 })),
          }),
        ),
        run: optional(integer(1, 1_000_000_000, { default: 1 })),
      }),
    ),
  );

const exclusive = ['to', 'redirect', 'respond'] as const;

const rule = () =>
  atMostOne(
    object({
      order: field(integer(-1000, 1000, { default: 0, description: 'Lower is tried first.' })),
      match: field(routeMatch()),
      ...common(),
    }),
    exclusive,
  );

export const RouteSpec = atMostOne(
  atMostOne(
    object({
      scope: optional(scope()),
      ...common(),
      rollout: field(rollout()),
      rules: field(
        map('dnsLabel', field(rule()), { description: 'Special cases; each inherits every field of spec.' }),
      ),
    }),
    exclusive,
  ),
  ['to', 'rollout'],
  'E306',
);
export type RouteSpec = Static<typeof RouteSpec>;
