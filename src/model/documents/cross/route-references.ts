/** What a Route names: targets, ports, interfaces, each with the pointer where it is written. */
import { escapeToken, isObject } from '../json.ts';
import { parseRouteTarget, type RouteTarget } from '../text/target.ts';

export interface TargetReference {
  readonly pointer: string;
  readonly key: string;
  readonly target: RouteTarget;
}

export interface RouteLevel {
  /** undefined: `spec` itself */
  readonly rule: string | undefined;
  readonly pointer: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** `spec` itself and its rules. */
export const routeLevels = (spec: object): RouteLevel[] => {
  const own = spec as Record<string, unknown>;
  const levels: RouteLevel[] = [{ rule: undefined, pointer: '/spec', value: own }];
  const rules = own.rules;
  if (!isObject(rules)) return levels;
  for (const [rule, value] of Object.entries(rules)) {
    if (isObject(value)) levels.push({ rule, pointer: `/spec/rules/${escapeToken(rule)}`, value });
  }
  return levels;
};

export const targetsOf = (to: unknown, pointer: string): TargetReference[] => {
  if (!isObject(to)) return [];
  return Object.keys(to).flatMap((key) => {
    const target = parseRouteTarget(key);
    return target === undefined ? [] : [{ pointer: `${pointer}/to/${escapeToken(key)}`, key, target }];
  });
};

export const routeTargets = (spec: object): TargetReference[] =>
  routeLevels(spec).flatMap(({ value, pointer }) => targetsOf(value.to, pointer));

export interface PortReference {
  readonly pointer: string;
  readonly port: number;
}

/** `match.port` of the rules. */
export const matchPorts = (spec: object): PortReference[] =>
  routeLevels(spec).flatMap(({ value, pointer }) => {
    const match = value.match;
    const port = isObject(match) ? match.port : undefined;
    return typeof port === 'number' ? [{ pointer: `${pointer}/match/port`, port }] : [];
  });
