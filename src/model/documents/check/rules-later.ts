/** Rules of the kinds that this version publishes but does not compile: they hold for documents stored as inert, too. */
import { isObject } from '../json.ts';
import type { AccessSpec, ExtensionSpec, RateLimitSpec, TelemetrySpec } from '../schema/index.ts';
import { LOG_SINKS } from '../schema/telemetry.ts';
import type { FindingSink } from './finding-sink.ts';
import { checkMatch } from './rules-match.ts';

const RULE_PARTS: readonly string[] = ['from', 'match', 'claims', 'ips', 'roles'];

export const checkAccess = (sink: FindingSink, spec: AccessSpec): void => {
  for (const side of ['allow', 'deny'] as const) {
    for (const [name, rule] of Object.entries(spec[side] ?? {})) {
      if (!isObject(rule)) continue;
      const from = rule.from;
      const emptyFrom =
        isObject(from) && Object.values(from).every((entry) => Array.isArray(entry) && entry.length === 0);
      if (!RULE_PARTS.some((part) => part in rule) || emptyFrom) {
        sink.report('E501', `Rule ${name} is empty: write from: {any: true} if everybody is meant.`, [
          'spec',
          side,
          name,
        ]);
      }
      if (isObject(rule.match)) checkMatch(sink, rule.match, ['spec', side, name, 'match']);
    }
  }
};

export const checkRateLimit = (sink: FindingSink, spec: RateLimitSpec): void => {
  for (const [name, limit] of Object.entries(spec.limits ?? {})) {
    if (!isObject(limit)) continue;
    const below = ['spec', 'limits', name];
    const { requests, burst } = limit;
    if (typeof requests === 'number' && typeof burst === 'number' && burst < requests) {
      sink.report('E701', `burst is ${burst}, it must be at least requests (${requests}).`, [...below, 'burst']);
    }
    if (isObject(limit.fair) && !(limit.global === true && Array.isArray(limit.keys))) {
      sink.report('E702', 'fair needs global: true and keys.', [...below, 'fair']);
    }
    if (limit.share === true && limit.global === true) {
      sink.report('E703', 'share and global exclude one another.', [...below, 'share']);
    }
    if (isObject(limit.match)) checkMatch(sink, limit.match, [...below, 'match']);
  }
};

export const checkTelemetry = (sink: FindingSink, spec: TelemetrySpec): void => {
  for (const [name, log] of Object.entries(spec.logs ?? {})) {
    if (!isObject(log)) continue;
    const given = LOG_SINKS.filter((sinkName) => sinkName in log);
    if (given.length !== 1) {
      sink.report(
        'E801',
        `Log ${name} needs exactly one of ${LOG_SINKS.join(', ')}; found ${given.join(', ') || 'none'}.`,
        ['spec', 'logs', name],
      );
    }
  }
};

export const checkExtension = (sink: FindingSink, spec: ExtensionSpec): void => {
  for (const [name, filter] of Object.entries(spec.filters ?? {})) {
    if (!isObject(filter)) continue;
    const below = ['spec', 'filters', name];
    if (filter.wasm !== undefined && filter.wasm.sha256 === undefined) {
      sink.report('E901', `Filter ${name} has no sha256 of its wasm bytes.`, [...below, 'wasm']);
    }
    if (filter.extAuthz !== undefined && filter.failOpen === true) {
      sink.report('W902', `Filter ${name} lets everybody in while its extAuthz service is away.`, [
        ...below,
        'failOpen',
      ]);
    }
    if (isObject(filter.match)) checkMatch(sink, filter.match, [...below, 'match']);
  }
  const orders = new Map<number, string>();
  for (const [name, filter] of Object.entries(spec.filters ?? {})) {
    const order = filter?.order ?? 0;
    const other = orders.get(order);
    if (other !== undefined)
      sink.report('W901', `Filters ${other} and ${name} have the same order; they are ordered by name.`, [
        'spec',
        'filters',
        name,
      ]);
    else orders.set(order, name);
  }
};
