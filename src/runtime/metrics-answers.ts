/** Metrics of what is answered about graph and sidecars: savings, streams, earlier graphs. */
import type { MetricFamily } from '../admin/index.ts';
import type { CoreParts } from './core-parts.ts';
import { family, labelled } from './metric-family.ts';

export const graphFamilies = ({ graphStreams, projector }: CoreParts): readonly MetricFamily[] => [
  family('tendril_graph_stream_edges', 'gauge', 'Edges in the documents of open graph streams.', graphStreams.edges),
  labelled('tendril_graph_stream_events_total', 'counter', 'Events of graph streams, by kind.', 'kind', [
    ['snapshot', graphStreams.snapshots],
    ['patch', graphStreams.patches],
  ]),
  labelled('tendril_graph_streams_ended_total', 'counter', 'Graph streams refused or ended by the server.', 'why', [
    ['slow', graphStreams.slow],
    ['bound', graphStreams.refused],
  ]),
  labelled(
    'tendril_graph_past_total',
    'counter',
    'Questions about earlier graphs: read, answered from one that was kept, refused at the bound.',
    'result',
    Object.entries(projector.past.counters),
  ),
];

export const savingsFamilies = async ({ proxies }: CoreParts): Promise<readonly MetricFamily[]> => {
  const savings = await proxies.savingsNow();
  if (savings === undefined) return [];
  return [
    family(
      'tendril_savings_held_resources',
      'gauge',
      'Resources of services that connected sidecars hold.',
      savings.resources,
    ),
    family('tendril_savings_held_bytes', 'gauge', 'Bytes of them, as encoded.', savings.bytes),
    family(
      'tendril_savings_full_mesh_resources',
      'gauge',
      'Resources they would hold if each held every service it may see.',
      savings.fullResources,
    ),
    family('tendril_savings_full_mesh_bytes', 'gauge', 'Bytes of those, as compiled.', savings.fullBytes),
    family(
      'tendril_savings_pushed_bytes_total',
      'counter',
      'Bytes of service resources pushed, since the start of the workers.',
      savings.pushedBytes,
    ),
    labelled(
      'tendril_savings_full_mesh_pushed_bytes_total',
      'counter',
      'Bytes a full mesh would have pushed since the start of the core: for changes, and to sidecars that connected.',
      'cause',
      Object.entries(savings.fullPushedBytes),
    ),
  ];
};
