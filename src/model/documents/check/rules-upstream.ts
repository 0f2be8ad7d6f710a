/** What an Upstream document alone can get wrong beyond its shape (policies.md section 5). */
import { canonicalJson, compareText, isObject } from '../json.ts';
import type { UpstreamSpec } from '../schema/index.ts';
import { formatDuration, parseDuration } from '../text/duration.ts';
import type { FindingSink } from './finding-sink.ts';

type Level = Omit<UpstreamSpec, 'scope' | 'subsets'>;
type LoadBalancing = NonNullable<Level['lb']>;

/** ringHash and maglev choose by hash; the others do not look at it. */
const usesHash = (lb: LoadBalancing): boolean => lb.ringHash !== undefined || lb.maglev !== undefined;

const isPrime = (number: number): boolean => {
  if (number < 2) return false;
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false;
  return true;
};

const checkLoadBalancing = (sink: FindingSink, level: Level, base: Level): void => {
  const { lb, hash } = level;
  if (isObject(lb)) {
    const ring = lb.ringHash;
    if (ring?.min !== undefined && ring.max !== undefined && ring.min > ring.max) {
      sink.report('E102', `ringHash.min is ${ring.min}, it must not exceed max (${ring.max}).`, [
        'lb',
        'ringHash',
        'min',
      ]);
    }
    const table = lb.maglev?.table;
    if (table !== undefined && !isPrime(table)) {
      sink.report('E102', `maglev.table is ${table}, a prime up to 5000011 is allowed.`, ['lb', 'maglev', 'table']);
    }
    if (usesHash(lb) && hash === null) {
      sink.report('E402', 'lb chooses by hash, but hash is null; give the keys to hash.', ['hash']);
    }
  }
  const effectiveLb = lb === undefined ? base.lb : lb;
  if (Array.isArray(hash) && (effectiveLb === null || (effectiveLb !== undefined && !usesHash(effectiveLb)))) {
    sink.report('E402', 'hash is set, but lb is neither ringHash nor maglev, so nothing reads it.', ['hash']);
  }
};

const checkOutlier = (sink: FindingSink, level: Level): void => {
  const eject = parseDuration(level.outlier?.ejectTime ?? '');
  const most = parseDuration(level.outlier?.maxEjectTime ?? '');
  if (eject !== undefined && most !== undefined && most < eject) {
    sink.report(
      'E102',
      `maxEjectTime is ${formatDuration(most)}, it must be at least ejectTime (${formatDuration(eject)}).`,
      ['outlier', 'maxEjectTime'],
    );
  }
};

const checkLevel = (sink: FindingSink, level: Level, base: Level): void => {
  checkLoadBalancing(sink, level, base);
  checkOutlier(sink, level);
  if (level.locality?.zoneAware === true && isObject(level.locality) && Array.isArray(level.locality.failover)) {
    sink.report('E403', 'failover and zoneAware: true exclude one another; set zoneAware: false.', [
      'locality',
      'failover',
    ]);
  }
};

export const checkUpstream = (sink: FindingSink, spec: UpstreamSpec, document: string): void => {
  const { path } = sink;
  path.push('spec');
  checkLevel(sink, spec, spec);
  const seen = new Map<string, string>();
  for (const [name, subset] of Object.entries(spec.subsets ?? {}).sort(([a], [b]) => compareText(a, b))) {
    if (!isObject(subset)) continue;
    path.push('subsets', name);
    checkLevel(sink, subset, spec);
    const labels = isObject(subset.labels) ? canonicalJson(subset.labels) : undefined;
    const other = labels === undefined ? undefined : seen.get(labels);
    if (other !== undefined) {
      sink.report(
        'W407',
        `Subsets ${other} and ${name} have the same labels, so they select the same endpoints.`,
        ['labels'],
        {
          related: [{ document, pointer: `/spec/subsets/${other}/labels` }],
        },
      );
    } else if (labels !== undefined) seen.set(labels, name);
    path.length -= 2;
  }
  path.pop();
};
