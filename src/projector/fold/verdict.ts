import type { Finding } from '../../model/index.ts';

/** Why an event is not applied. `undefined` in place of it means: applied. */
export interface Refusal {
  readonly status: 'rejected' | 'quarantined';
  readonly code: string;
  readonly message: string;
  readonly findings?: readonly Finding[];
}

export const rejected = (code: string, message: string, findings?: readonly Finding[]): Refusal =>
  findings === undefined ? { status: 'rejected', code, message } : { status: 'rejected', code, message, findings };

export const quarantined = (code: string, message: string): Refusal => ({ status: 'quarantined', code, message });

/** Rejected by the first error among the findings. */
export const rejectedBy = (findings: readonly Finding[]): Refusal => {
  const first = findings.find((finding) => finding.severity === 'error') ?? findings[0];
  return rejected(first?.code ?? 'E102', first?.message ?? 'the document has an error', findings);
};

/** What a reducer tells of an event that it applied. */
export interface Applied {
  readonly message?: string;
  readonly findings?: readonly Finding[];
}

export const APPLIED: Applied = {};

export const isRefusal = (verdict: Refusal | Applied): verdict is Refusal => 'status' in verdict;
