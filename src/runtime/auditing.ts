/** Joins the audit to those who write: the HTTP API, `--dir`, and Tendril's own writers (of those only what was refused). */
import type { AuditPort, HealthPart } from '../admin/index.ts';
import { type AuditedWrite, type AuditLog, rangesOf } from '../audit/index.ts';
import type { Ingest } from '../ingest/index.ts';
import { TendrilError } from '../model/index.ts';

type Gateway = Pick<Ingest, 'submit' | 'limits'>;
type Submission = Parameters<Ingest['submit']>[0];

export const auditPort = (audit: AuditLog): AuditPort => ({
  record: ({ offsets, ...request }) =>
    audit.record({ ...request, ...(offsets === undefined ? {} : { offsets: rangesOf(offsets) }) }),
  page: (query) => audit.page(query),
});

export const auditHealth = (audit: AuditLog): HealthPart => {
  const { state, ...condition } = audit.condition();
  return { name: 'audit', status: state, ...condition };
};

interface Writer {
  readonly from: 'dir' | 'worker' | 'core';
  /** False: only refused submissions. Their events have their source in the log anyway. */
  readonly accepted: boolean;
}

const countBy = (names: Iterable<string>): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

/** The same gateway, audited. */
export const auditedIngest = (ingest: Gateway, audit: AuditLog, writer: Writer): Gateway => {
  const submit = async (submission: Submission): ReturnType<Ingest['submit']> => {
    let seen: Pick<AuditedWrite, 'types' | 'subjects' | 'offsets'> = {};
    const entry = (result: AuditedWrite['result'], more: Partial<AuditedWrite>): AuditedWrite => ({
      who: submission.caller,
      from: writer.from,
      result,
      events: submission.events.length,
      ...seen,
      ...more,
    });
    try {
      const answer = await ingest.submit({
        ...submission,
        observe: (events, offsets) => {
          seen = {
            types: countBy(events.map(({ type }) => type)),
            subjects: [...new Set(events.map(({ subject }) => subject))],
            ...(offsets === undefined ? {} : { offsets: rangesOf(offsets) }),
          };
        },
      });
      const isRejected = answer.result === 'rejected';
      const culprit = answer.events.find(({ status, code }) => status === 'rejected' && code !== 'batch');
      const code = culprit?.code ?? answer.findings.find(({ severity }) => severity === 'error')?.code;
      if (isRejected || writer.accepted)
        audit.record(
          entry(isRejected ? 'refused' : 'accepted', {
            statuses: countBy(answer.events.map(({ status }) => status)),
            ...(isRejected && code !== undefined ? { code } : {}),
          }),
        );
      return answer;
    } catch (error) {
      const code = error instanceof TendrilError ? error.code : 'INTERNAL';
      const message = error instanceof Error ? error.message : String(error);
      audit.record(entry('refused', { code, message }));
      throw error;
    }
  };
  return { limits: ingest.limits, submit };
};
