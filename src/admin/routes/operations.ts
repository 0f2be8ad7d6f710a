/** For those who run Tendril: health, readiness, metrics. */
import { METRICS_TYPE, metricsText } from '../metrics-text.ts';
import type { HealthPart } from '../ports.ts';
import { type AnyRoute, route } from '../route.ts';

const worst = (parts: readonly HealthPart[]): 'ok' | 'degraded' | 'failed' => {
  if (parts.some((part) => part.status === 'failed')) return 'failed';
  return parts.some((part) => part.status === 'degraded') ? 'degraded' : 'ok';
};

const health = route({
  method: 'GET',
  path: '/healthz',
  summary: 'Every part that is not well, by name.',
  query: {},
  answers: {
    200: 'Alive: `ok`, or `degraded` with the parts.',
    503: 'A part has failed for good; the process should be replaced.',
  },
  handle: ({ ports }) => {
    const parts = ports.health.parts();
    const status = worst(parts);
    const degraded = parts.filter((part) => part.status !== 'ok').map((part) => part.name);
    return { status: status === 'failed' ? 503 : 200, body: { status, degraded, parts } };
  },
});

const ready = route({
  method: 'GET',
  path: '/readyz',
  summary: 'Whether sidecars are served from a current state.',
  query: {},
  answers: { 200: 'Ready.', 503: 'Not yet; `reasons` says what is missing.' },
  handle: ({ ports }) => {
    const state = ports.health.ready();
    return { status: state.ready ? 200 : 503, body: state };
  },
});

const metrics = route({
  method: 'GET',
  path: '/metrics',
  summary: 'Metrics in the Prometheus text format.',
  query: {},
  answers: { 200: METRICS_TYPE },
  handle: async ({ ports }) => ({ body: metricsText(await ports.metrics.collect()), type: METRICS_TYPE }),
});

export const operationRoutes: readonly AnyRoute[] = [health, ready, metrics];
