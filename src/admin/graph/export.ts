/** The graph in forms for other tools: DOT, and `Dependency` documents as YAML. */
import { stringify } from 'yaml';
import type { EdgeView, StatePort } from '../ports.ts';
import { type DependencyDocument, declaring, learnedByCaller } from './dependency-documents.ts';
import { targetOf } from './edge-rows.ts';
import type { GraphMoment } from './moment.ts';
import { declaredAsWhole } from './whole-services.ts';

export const yamlOf = (document: DependencyDocument): string =>
  stringify(document, { aliasDuplicateObjects: false, lineWidth: 0 });

/**
 * One document per caller with those of its learned edges that are `wanted` and that nothing declares for the callee as a whole; comments name
 * those that are left out. `tendril apply` takes the text as it is.
 */
export const dependencyYaml = async (
  state: Pick<StatePort, 'policy'>,
  moment: GraphMoment,
  all: readonly EdgeView[],
  wanted: (edge: EdgeView) => boolean,
): Promise<string> => {
  const isDeclaredAsWhole = declaredAsWhole(all);
  const edges = all.filter((edge) => wanted(edge) && !isDeclaredAsWhole(edge));
  const services = await moment.services([...new Set(edges.map(({ to }) => to))]);
  const comments: string[] = [];
  const documents: string[] = [];
  for (const [caller, { targets, left }] of learnedByCaller(edges, services)) {
    for (const { edge, why } of left) comments.push(`# left out: ${edge.from} -> ${targetOf(edge)}: ${why}`);
    for (const document of declaring(state, caller, targets)) documents.push(yamlOf(document));
  }
  const head = documents.length === 0 ? ['# no learned edge is undeclared'] : [];
  return [...head, ...comments, documents.join('---\n')].join('\n');
};
