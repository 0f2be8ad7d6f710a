/** `GET /metrics`: the replicas of this log. */
import type { MetricFamily } from '../admin/index.ts';
import { family, labelled } from './metric-family.ts';
import type { Replicas } from './replicas/index.ts';

const VERDICTS = ['alone', 'agree', 'others', 'odd', 'tied'] as const;

/** None where this is the only control plane of its log. */
export const replicaFamilies = (replicas: Replicas): readonly MetricFamily[] => {
  const { group } = replicas;
  if (group === undefined) return [];
  const rows = replicas.rows();
  const { verdict } = replicas.comparison();
  const silent = rows.filter(({ state }) => state === 'silent' || state === 'unknown').length;
  return [
    family('tendril_replicas', 'gauge', 'Replicas on this log that have joined and not left.', rows.length),
    family('tendril_replicas_silent', 'gauge', 'Of them, those that do not answer this one.', silent),
    family('tendril_replica_keeper', 'gauge', '1: this replica keeps the edges.', group.keeper() === 'mine' ? 1 : 0),
    labelled(
      'tendril_replica_comparison',
      'gauge',
      'Outcome of the last comparison of states: 1 at the one that holds.',
      'verdict',
      VERDICTS.map((name) => [name, name === verdict ? 1 : 0] as const),
    ),
    family(
      'tendril_replica_unanswered_total',
      'counter',
      'Questions to other replicas without an answer.',
      group.counters.unanswered,
    ),
    family(
      'tendril_replica_differences_total',
      'counter',
      'Times states were found to differ.',
      group.counters.differences,
    ),
  ];
};
