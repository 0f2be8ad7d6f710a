/** What a Route document alone can get wrong beyond its shape (policies.md sections 3 and 4). */
import { canonicalJson, compareText, isObject } from '../json.ts';
import type { RouteSpec } from '../schema/index.ts';
import { MAX_BODY_BYTES } from '../schema/route.ts';
import { formatDuration, parseDuration } from '../text/duration.ts';
import { literalPrefix } from '../text/re2.ts';
import type { FindingSink } from './finding-sink.ts';
import { utf8Length } from './guard.ts';
import { checkMatch } from './rules-match.ts';

type Rule = NonNullable<NonNullable<RouteSpec['rules']>[string]>;
type Level = Pick<RouteSpec, Exclude<keyof RouteSpec, 'scope' | 'rollout' | 'rules'>> & {
  readonly match?: Rule['match'];
};

const DEFAULT_ATTEMPTS = 1;
const SAFE_METHODS: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];

const ms = (text: string | null | undefined): number | undefined =>
  typeof text === 'string' ? parseDuration(text) : undefined;

const checkTargets = (sink: FindingSink, level: Level): void => {
  if (!isObject(level.to)) return;
  const weights = Object.values(level.to).map((target) => target?.weight ?? 1);
  if (weights.length > 0 && weights.every((weight) => weight === 0)) {
    sink.report('E302', 'All weights are 0, so no request could go anywhere; give one target a weight above 0.', [
      'to',
    ]);
  }
};

/** `base`: `spec` of the same document, from which a rule inherits. */
const checkTimes = (sink: FindingSink, level: Level, base: Level): void => {
  const own = level.timeout !== undefined || level.retry?.timeout !== undefined || level.retry?.attempts !== undefined;
  const timeout = ms(level.timeout === undefined ? base.timeout : level.timeout);
  const perTry = ms(level.retry?.timeout === undefined ? base.retry?.timeout : level.retry.timeout);
  if (!own || timeout === undefined || timeout === 0 || perTry === undefined) return;
  const where = level.retry?.timeout === undefined ? ['timeout'] : ['retry', 'timeout'];
  if (perTry >= timeout) {
    sink.report(
      'E102',
      `retry.timeout is ${formatDuration(perTry)}, it must be below timeout (${formatDuration(timeout)}).`,
      where,
    );
    return;
  }
  const attempts = level.retry?.attempts ?? base.retry?.attempts ?? DEFAULT_ATTEMPTS;
  if (perTry * (attempts + 1) > timeout) {
    sink.report(
      'W301',
      `retry.timeout ${formatDuration(perTry)} × ${attempts + 1} tries exceeds timeout ${formatDuration(timeout)}: the last tries are cut short.`,
      where,
    );
  }
};

const checkRepeats = (sink: FindingSink, level: Level): void => {
  const when = level.retry?.when;
  if (!isObject(when) || level.retry?.attempts === 0 || level.retry?.methods !== undefined) return;
  const repeats = when.gateway === true || when.reset === true || (when.status?.length ?? 0) > 0;
  if (!repeats) return;
  const methods = [level.match?.method ?? []].flat();
  if (methods.length > 0 && methods.every((method) => SAFE_METHODS.includes(method))) return;
  sink.report(
    'W305',
    'Retries after an answer or a reset may repeat work for POST and other unsafe methods.',
    ['retry', 'when'],
    { hint: 'set methods, or move this retry into a rule with match.method [GET, HEAD]' },
  );
};

const checkBody = (sink: FindingSink, name: string, body: string | undefined): void => {
  const bytes = body === undefined ? 0 : utf8Length(body);
  if (bytes > MAX_BODY_BYTES) {
    sink.report('E304', `The body has ${bytes} bytes, ${MAX_BODY_BYTES} are allowed.`, [name, 'body']);
  }
};

const checkHeaders = (sink: FindingSink, headers: Level['headers'], below: readonly string[]): void => {
  if (!isObject(headers)) return;
  for (const side of ['request', 'response'] as const) {
    const change = headers[side];
    if (!isObject(change)) continue;
    const names = [
      ...Object.keys(change.set ?? {}).map((name) => ['set', name] as const),
      ...Object.keys(change.add ?? {}).map((name) => ['add', name] as const),
      ...(change.remove ?? []).map((name) => ['remove', name] as const),
    ];
    for (const [action, name] of names) {
      if (name.startsWith(':') || name.toLowerCase() === 'host') {
        sink.report('E305', `Header "${name}" may not be changed (host, and names that start with :).`, [
          ...below,
          side,
          action,
        ]);
      }
    }
  }
};

const checkLevel = (sink: FindingSink, level: Level, base: Level): void => {
  checkTargets(sink, level);
  checkTimes(sink, level, base);
  checkRepeats(sink, level);
  checkBody(sink, 'respond', level.respond?.body);
  checkBody(sink, 'fallback', level.fallback?.body);
  checkHeaders(sink, level.headers, ['headers']);
  for (const [key, target] of Object.entries(level.to ?? {}))
    checkHeaders(sink, target.headers, ['to', key, 'headers']);
  if (isObject(level.match)) checkMatch(sink, level.match, ['match']);
};

type Rules = readonly (readonly [name: string, rule: Rule])[];

/** E303: of two rules with the same match and order the one that is later by name is never reached. */
const checkSameMatch = (sink: FindingSink, document: string, rules: Rules): void => {
  const seen = new Map<string, string>();
  for (const [name, rule] of rules) {
    if (!isObject(rule.match)) continue;
    const key = `${rule.order ?? 0} ${canonicalJson(rule.match)}`;
    const first = seen.get(key);
    if (first === undefined) seen.set(key, name);
    else {
      sink.report(
        'E303',
        `Rules ${first} and ${name} have the same match and order: ${name} can never match.`,
        ['rules', name, 'match'],
        {
          related: [{ document, pointer: `/spec/rules/${first}/match` }],
        },
      );
    }
  }
};

/** W303: which of a regex and a prefix rule comes first is fixed (regex), but seldom what the author has in mind. */
const checkOverlaps = (sink: FindingSink, rules: Rules): void => {
  const paths = rules.map(([name, rule]) => ({ name, order: rule.order ?? 0, path: rule.match?.path }));
  const prefixes = paths.filter(({ path }) => path?.prefix !== undefined);
  for (const { name, order, path } of paths) {
    if (path?.regex === undefined) continue;
    const literal = literalPrefix(path.regex);
    for (const other of prefixes) {
      const prefix = other.path?.prefix ?? '';
      if (other.order !== order || !(literal.startsWith(prefix) || prefix.startsWith(literal))) continue;
      sink.report(
        'W303',
        `The regex of rule ${name} overlaps the prefix of rule ${other.name} and is tried first; set order if that is not meant.`,
        ['rules', name, 'match', 'path'],
      );
    }
  }
};

const checkRollout = (sink: FindingSink, rollout: RouteSpec['rollout']): void => {
  if (!isObject(rollout)) return;
  if (rollout.from === rollout.to) {
    sink.report('E310', `rollout goes from ${rollout.from} to ${rollout.to}: they must differ.`, ['rollout', 'to']);
  }
  const steps = rollout.steps ?? [];
  if (steps.some((step, index) => index > 0 && step <= (steps[index - 1] ?? 0))) {
    sink.report('E311', `rollout.steps ${steps.join(', ')} must increase.`, ['rollout', 'steps']);
  }
};

export const checkRoute = (sink: FindingSink, spec: RouteSpec, document: string): void => {
  const { path } = sink;
  path.push('spec');
  checkLevel(sink, spec, spec);
  checkRollout(sink, spec.rollout);
  const rules = Object.entries(spec.rules ?? {})
    .filter((entry): entry is [string, Rule] => isObject(entry[1]))
    .sort(([a], [b]) => compareText(a, b));
  for (const [name, rule] of rules) {
    path.push('rules', name);
    checkLevel(sink, rule, spec);
    path.length -= 2;
  }
  checkSameMatch(sink, document, rules);
  checkOverlaps(sink, rules);
  path.pop();
};
