/** Upstream (policies.md section 5): how callers connect to, choose among, and protect the endpoints of a service. */
import { type Static, Type } from 'typebox';
import {
  anyText,
  bool,
  duration,
  emptyCode,
  exactlyOne,
  field,
  integer,
  labels,
  later,
  list,
  map,
  number,
  object,
  optional,
  percent,
  text,
  unit,
  word,
  yes,
} from './fields.ts';
import { scope } from './scope.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MAX_RING = 8_388_608;
/** Largest table Envoy takes for maglev; a prime. */
export const MAX_MAGLEV_TABLE = 5_000_011;

const bound = () => integer(100, 1_000_000, { description: 'Percent of the mean that no endpoint may exceed.' });

const lb = () => {
  const words = {
    roundRobin: optional(object({})),
    leastRequest: optional(object({ choices: optional(integer(2, 10, { default: 2 })) })),
    random: optional(object({})),
    ringHash: optional(
      object({ min: optional(integer(1, MAX_RING)), max: optional(integer(1, MAX_RING)), bound: optional(bound()) }),
    ),
    maglev: optional(object({ table: optional(integer(2, MAX_MAGLEV_TABLE)), bound: optional(bound()) })),
  };
  return unit(exactlyOne(object(words), Object.keys(words)));
};

const hashKey = () => {
  const words = {
    header: optional(text('headerName')),
    cookie: optional(object({ name: text('token'), ttl: optional(duration({ off: true })) })),
    query: optional(text('token')),
    ip: optional(yes()),
  };
  return exactlyOne(object(words), Object.keys(words));
};

const health = () => {
  const words = {
    http: optional(
      object({
        path: text('path', undefined, 4096),
        host: optional(text('host')),
        status: optional(list(list(integer(100, 599), { min: 2, max: 2 }), { min: 1 })),
      }),
    ),
    grpc: optional(object({ service: optional(text('token')) })),
    tcp: optional(object({})),
  };
  return unit(
    exactlyOne(
      object({
        ...words,
        interval: optional(duration({ default: '10s' })),
        timeout: optional(duration({ default: '1s' })),
        healthy: optional(integer(1, 1000, { default: 1 })),
        unhealthy: optional(integer(1, 1000, { default: 3 })),
      }),
      Object.keys(words),
    ),
  );
};

const keepalive = () =>
  object({ idle: field(duration()), interval: field(duration()), probes: field(integer(1, 1000)) });

/** Fields of `spec` and of `spec.subsets.<name>` alike. */
const settings = () => ({
  lb: field(lb()),
  hash: field(list(hashKey(), { min: 1, max: 16, description: 'Keys for ringHash and maglev, in order of trial.' })),
  slowStart: field(
    later(
      object({
        window: field(duration({ minMs: 1000, maxMs: HOUR })),
        minPercent: field(percent({ default: 10 })),
        aggression: field(number(0, 100, { default: 1 })),
      }),
    ),
  ),
  locality: field(
    object({
      zoneAware: field(bool({ default: true, description: 'Stay in the own zone as far as capacity is equal.' })),
      failover: field(
        later(
          unit(
            Type.Union([
              list(list(word('region', 'zone', 'subzone'), { max: 3 }), { min: 1, max: 16 }),
              object({ region: optional(anyText(128)), zone: optional(anyText(128)) }),
            ]),
          ),
        ),
      ),
    }),
  ),
  panicPercent: field(
    percent({ default: 1, description: 'Below this share of healthy endpoints health is ignored; 0: fail fast.' }),
  ),
  limits: field(
    object(
      {
        connections: field(integer(1)),
        pending: field(integer(1)),
        requests: field(integer(1)),
        perEndpoint: field(integer(1)),
        requestsPerConnection: field(integer(1)),
        retryPercent: field(percent({ default: 20 })),
        minRetries: field(integer(0, 4_294_967_295, { default: 3 })),
      },
      'Per caller sidecar and cluster.',
    ),
  ),
  outlier: field(
    object({
      consecutive5xx: field(integer(0, 1000, { default: 5, description: '0: off.' })),
      consecutiveGateway: field(integer(0, 1000, { default: 5, description: '0: off.' })),
      ejectTime: field(duration({ minMs: 1000, maxMs: DAY, default: '30s' })),
      maxEjectTime: field(duration({ minMs: 1000, description: 'At least ejectTime; default max(ejectTime, 5m).' })),
      maxPercent: field(integer(1, 100, { default: 70 })),
      interval: field(duration({ minMs: 100, default: '5s' })),
      failures: field(
        later(
          object({
            percent: field(integer(1, 100)),
            requests: field(integer(1, 4_294_967_295, { default: 20 })),
            endpoints: field(integer(1, 4_294_967_295, { default: 2 })),
          }),
        ),
      ),
    }),
  ),
  health: field(later(health())),
  tls: field(
    later(
      object({
        mode: field(word('strict', 'permissive', 'disabled')),
        server: field(
          object({
            sni: field(text('host')),
            ca: field(anyText(65_536, '`system`, or PEM')),
            names: field(list(text('host'))),
          }),
        ),
      }),
    ),
  ),
  http: field(
    later(
      object({
        version: field(integer(1, 2)),
        asCaller: field(bool({ default: false })),
        maxStreams: field(integer(1)),
        keepalive: field(object({ interval: field(duration()), timeout: field(duration()) })),
        idleTimeout: field(duration({ off: true, default: '1h' })),
        maxAge: field(duration()),
      }),
    ),
  ),
  connect: field(
    later(
      object({
        timeout: field(duration({ default: '1s' })),
        keepalive: field(keepalive()),
        idleTimeout: field(duration({ off: true, default: '1h' })),
      }),
    ),
  ),
});

const subset = () =>
  object({
    labels: field(emptyCode(labels(1), 'E401')),
    ...settings(),
  });

export const UpstreamSpec = object({
  scope: optional(scope()),
  subsets: field(map('dnsLabel', field(subset()), { description: 'Endpoints that have all these labels.' })),
  ...settings(),
});
export type UpstreamSpec = Static<typeof UpstreamSpec>;
