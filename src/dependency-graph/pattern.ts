/** Parts of a Dependency that take services by shape instead of by name: globs and label selectors. */
import type { ResolvedDependency, ResolvedDependencySelector, ResolvedDependencyTarget } from '../model/index.ts';
import type { GraphService } from './types.ts';

export interface Pattern {
  /** Equal keys match equal services, whoever wrote them. */
  readonly key: string;
  matches(service: GraphService): boolean;
}

const takes = (wanted: string, found: string): boolean => wanted === '*' || wanted === found;

export const globPattern = (target: ResolvedDependencyTarget): Pattern => ({
  key: `glob|${target.name}|${target.namespace}`,
  matches: (service) =>
    takes(target.namespace, service.namespace) &&
    (target.name === '*' || service.name === `${target.name}.${service.namespace}`),
});

export const selectorPattern = (selector: ResolvedDependencySelector): Pattern => ({
  key: `select|${JSON.stringify([selector.labels.map(({ key, value }) => [key, value]), selector.namespaces])}`,
  matches: (service) =>
    (selector.namespaces.length === 0 || selector.namespaces.includes(service.namespace)) &&
    selector.labels.every(({ key, value }) => Object.hasOwn(service.labels, key) && service.labels[key] === value),
});

export const patternsOf = (dependency: ResolvedDependency): Pattern[] => [
  ...dependency.to.filter((target) => target.glob).map(globPattern),
  ...dependency.select.map(selectorPattern),
];
