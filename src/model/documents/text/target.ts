/** Targets: the keys of `to` (policies.md section 1). */
import { isDnsLabel, parseTarget, serviceName } from '../../names.ts';

export type RouteTarget =
  /** `*`: all endpoints of the called service. */
  | { readonly kind: 'all' }
  | { readonly kind: 'subset'; readonly subset: string }
  | {
      readonly kind: 'service';
      /** `<service>.<namespace>` */
      readonly service: string;
      readonly port: number | undefined;
      readonly subset: string | undefined;
    };

/** `*`, `<subset>`, or `<service>.<namespace>[:port][/<subset>]`; undefined: none of these. */
export const parseRouteTarget = (text: string): RouteTarget | undefined => {
  if (text === '*') return { kind: 'all' };
  if (isDnsLabel(text)) return { kind: 'subset', subset: text };
  const slash = text.indexOf('/');
  const subset = slash < 0 ? undefined : text.slice(slash + 1);
  if (subset !== undefined && !isDnsLabel(subset)) return undefined;
  const target = parseTarget(slash < 0 ? text : text.slice(0, slash));
  if (target === undefined) return undefined;
  return { kind: 'service', service: serviceName(target.namespace, target.name), port: target.port, subset };
};

export interface DependencyTarget {
  /** A label, or `*` for every one. */
  readonly name: string;
  readonly namespace: string;
  readonly port: number | undefined;
  readonly glob: boolean;
}

const DEPENDENCY_TARGET = /^([a-z0-9*][-a-z0-9]*)\.([a-z0-9*][-a-z0-9]*)(?::([0-9]{1,5}))?$/;

/** `<service>.<namespace>[:port]`, where `*` may stand for a whole label; undefined: not of that form. */
export const parseDependencyTarget = (text: string): DependencyTarget | undefined => {
  const [, name, namespace, portText] = DEPENDENCY_TARGET.exec(text) ?? [];
  const isLabel = (label: string | undefined): label is string =>
    label !== undefined && (label === '*' || isDnsLabel(label));
  if (!isLabel(name) || !isLabel(namespace)) return undefined;
  const port = portText === undefined ? undefined : Number(portText);
  if (port !== undefined && !(port >= 1 && port <= 65535)) return undefined;
  return { name, namespace, port, glob: name === '*' || namespace === '*' };
};

/** True when the target takes this service (ports are not looked at). */
export const takesService = (
  target: { readonly name: string; readonly namespace: string },
  name: string,
  namespace: string,
): boolean =>
  (target.name === '*' || target.name === name) && (target.namespace === '*' || target.namespace === namespace);
