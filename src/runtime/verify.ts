/** Offline proof of a data directory: log, state and ledger by the projector, the audit by itself, and both chains against each other. */
import type { VerifyReport as DataReport, VerifyOptions } from '../projector/index.ts';
import type { AuditReport } from './verify-audit.ts';

export interface VerifyReport extends Omit<DataReport, 'problems'> {
  readonly problems: readonly {
    readonly part: DataReport['problems'][number]['part'] | 'audit';
    readonly where: string;
    readonly message: string;
  }[];
  /** Undefined: there is no audit. */
  readonly audit: Pick<AuditReport, 'entries' | 'first' | 'last' | 'chain'> | undefined;
}

/** Loaded when it is called: most commands never need the projector. */
export const verifyData = async (options: VerifyOptions): Promise<VerifyReport> => {
  const [{ verifyData: verifyLogAndState }, { verifyAuditOf }] = await Promise.all([
    import('../projector/index.ts'),
    import('./verify-audit.ts'),
  ]);
  const data = await verifyLogAndState(options);
  const isLogSound = !data.problems.some(({ part }) => part === 'log');
  const audit = await verifyAuditOf({ ...options, isLogSound });
  if (audit === undefined) return { ...data, audit };
  const { problems, problemCount, notes, entries, first, last, chain } = audit;
  return {
    ...data,
    ok: data.ok && problemCount === 0,
    problems: [
      ...data.problems,
      ...problems.map(({ seq, message }) => ({ part: 'audit' as const, where: `entry ${seq}`, message })),
    ],
    problemCount: data.problemCount + problemCount,
    notes: [...data.notes, ...notes],
    audit: { entries, first, last, chain },
  };
};
