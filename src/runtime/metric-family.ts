/** Metrics with one sample, and with one label. */
import type { MetricFamily } from '../admin/index.ts';

export const family = (name: string, type: 'counter' | 'gauge', help: string, value: number): MetricFamily => ({
  name,
  type,
  help,
  samples: [{ value }],
});

export const labelled = (
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  label: string,
  values: Iterable<readonly [string, number]>,
): MetricFamily => ({
  name,
  type,
  help,
  samples: [...values].map(([key, value]) => ({ labels: { [label]: key }, value })),
});
