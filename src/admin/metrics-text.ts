/** Metrics as Prometheus text (exposition format 0.0.4). */
import type { MetricFamily } from './ports.ts';

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const NAME = /^tendril_[a-z0-9_]+$/;

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"');

const valueText = (value: number): string => {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
};

const labelText = (labels: Readonly<Record<string, string>> | undefined): string => {
  const pairs = Object.entries(labels ?? {});
  return pairs.length === 0 ? '' : `{${pairs.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(',')}}`;
};

/** One text of all families; families of one name are joined, so that each name has one header. */
export const metricsText = (families: Iterable<MetricFamily>): string => {
  const byName = new Map<
    string,
    { readonly head: MetricFamily; readonly samples: MetricFamily['samples'][number][] }
  >();
  for (const family of families) {
    if (!NAME.test(family.name)) continue;
    const known = byName.get(family.name);
    if (known === undefined) byName.set(family.name, { head: family, samples: [...family.samples] });
    else known.samples.push(...family.samples);
  }
  const lines: string[] = [];
  for (const [name, { head, samples }] of byName) {
    lines.push(`# HELP ${name} ${escapeHelp(head.help)}`, `# TYPE ${name} ${head.type}`);
    for (const sample of samples)
      lines.push(`${name}${sample.suffix ?? ''}${labelText(sample.labels)} ${valueText(sample.value)}`);
  }
  return `${lines.join('\n')}\n`;
};
