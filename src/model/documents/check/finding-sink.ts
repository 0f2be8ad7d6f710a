/** Collects the findings of one document; a path is kept while walking, pointers are made only for findings. */
import type { Finding } from '../../finding.ts';
import { pointerOf } from '../json.ts';

/** More findings than that help nobody: the rest is counted in a last one. */
export const MAX_FINDINGS = 100;

/** Wrong type, missing, text not quoted, too large. The others leave every value of the type that it should be. */
const BREAKING: readonly string[] = ['E102', 'E103', 'E105', 'E106'];

export interface FindingDetails {
  readonly related?: Finding['related'];
  readonly hint?: string;
}

export interface FindingSink {
  readonly findings: Finding[];
  /** Keys from the document's root to where the walk is. */
  readonly path: (string | number)[];
  /** At the path, or at `path + below`. Codes that start with W are warnings. */
  report(code: string, message: string, below?: readonly (string | number)[], details?: FindingDetails): void;
  /** True when something has the wrong type or is missing: rules that rely on the shape must not run. */
  isShapeBroken(): boolean;
}

export const createFindingSink = (document: string | undefined): FindingSink => {
  const findings: Finding[] = [];
  const path: (string | number)[] = [];
  let broken = false;
  let dropped = 0;
  const report = (
    code: string,
    message: string,
    below: readonly (string | number)[] = [],
    details: FindingDetails = {},
  ): void => {
    const severity = code.startsWith('W') ? 'warning' : 'error';
    if (BREAKING.includes(code)) broken = true;
    if (findings.length >= MAX_FINDINGS) {
      dropped++;
      findings[MAX_FINDINGS] = {
        code: 'E106',
        severity: 'error',
        message: `There are ${dropped} more findings; correct the first ${MAX_FINDINGS}.`,
        ...(document === undefined ? {} : { document }),
      };
      return;
    }
    findings.push({
      code,
      severity,
      message,
      ...(document === undefined ? {} : { document }),
      pointer: pointerOf([...path, ...below]),
      ...(details.related === undefined ? {} : { related: details.related }),
      ...(details.hint === undefined ? {} : { hint: details.hint }),
    });
  };
  return { findings, path, report, isShapeBroken: () => broken };
};
