/** Metrics of a log that others hold (Kafka). */
import type { MetricFamily } from '../admin/index.ts';
import type { OpenedLog } from '../log/index.ts';
import { family, labelled } from './metric-family.ts';

const STATES = ['live', 'catching-up', 'away', 'broken'] as const;

export const logContactFamilies = (log: OpenedLog): readonly MetricFamily[] => {
  const { contact } = log.counters;
  if (contact === undefined) return [];
  const { state, behind = 0 } = log.condition;
  const states = STATES.map((name) => [name, name === state ? 1 : 0] as const);
  return [
    labelled('tendril_log_state', 'gauge', 'Contact with Kafka: 1 at the state it is in.', 'state', states),
    family('tendril_log_behind_events', 'gauge', 'Events known to be in the topic and not here.', behind),
    family('tendril_log_contacts_total', 'counter', 'Contacts made with the topic.', contact.contacts),
    family('tendril_log_contact_failures_total', 'counter', 'Contacts and attempts that failed.', contact.failures),
    family('tendril_log_gaps_total', 'counter', 'Ends for good: a gap, a cut or another topic.', contact.breaks),
    family('tendril_log_fetches_total', 'counter', 'Requests for records.', contact.fetches),
    family('tendril_log_fetched_records_total', 'counter', 'Records fetched into the mirror.', contact.records),
    family(
      'tendril_log_write_failures_total',
      'counter',
      'Writes that failed or got no answer.',
      contact.produceFailures,
    ),
    family('tendril_log_sent_again_total', 'counter', 'Appends sent again after one.', contact.sentAgain),
    family('tendril_log_away_seconds_total', 'counter', 'Time without contact.', contact.awayMs / 1000),
  ];
};
