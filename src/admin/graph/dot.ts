/** The graph in the DOT language of Graphviz. Namespaces are clusters; the line tells the origin, the colour the state. */
import type { EdgeView } from '../ports.ts';
import { targetOf } from './edge-rows.ts';

const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

const COLOURS: Readonly<Record<string, string>> = {
  denied: 'red',
  dangling: 'orange',
  expired: 'grey70',
  expiring: 'grey50',
  quiet: 'grey30',
};

const attributesOf = (edge: EdgeView): string => {
  const attributes = [
    ...(edge.port === undefined ? [] : [`label=${quoted(String(edge.port))}`]),
    `style=${edge.origin === 'learned' ? 'dashed' : edge.state === 'pinned' ? 'bold' : 'solid'}`,
    ...(COLOURS[edge.state] === undefined ? [] : [`color=${COLOURS[edge.state]}`]),
    `tooltip=${quoted(`${edge.from} -> ${targetOf(edge)}: ${edge.origin}, ${edge.state}`)}`,
  ];
  return attributes.join(', ');
};

export const dotOf = (edges: readonly EdgeView[]): string => {
  const byNamespace = new Map<string, Set<string>>();
  for (const name of edges.flatMap(({ from, to }) => [from, to])) {
    const namespace = name.slice(name.lastIndexOf('.') + 1);
    byNamespace.set(namespace, (byNamespace.get(namespace) ?? new Set()).add(name));
  }
  const clusters = [...byNamespace].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    'digraph tendril {',
    '  rankdir=LR; node [shape=box, style=rounded];',
    ...clusters.flatMap(([namespace, names]) => [
      `  subgraph ${quoted(`cluster_${namespace}`)} {`,
      `    label=${quoted(namespace)};`,
      ...[...names].sort().map((name) => `    ${quoted(name)};`),
      '  }',
    ]),
    ...edges.map((edge) => `  ${quoted(edge.from)} -> ${quoted(edge.to)} [${attributesOf(edge)}];`),
    '}',
    '',
  ].join('\n');
};
