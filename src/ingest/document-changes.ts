/** One document's change on its way into an event, and what is checked and warned about before. */
import { documentKey, type Finding, isObject, TendrilError } from '../model/index.ts';
import type { DocumentSet } from './document-set.ts';
import type { StoredDocument } from './ports.ts';
import type { DocumentEvent } from './reconcile.ts';
import { DIR_SOURCE } from './sources.ts';
import type { Place } from './submission.ts';

export interface DocumentRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export type DocumentAction = 'created' | 'configured' | 'unchanged' | 'deleted';

export interface Change {
  readonly event: DocumentEvent;
  readonly action: DocumentAction;
  readonly before: StoredDocument | undefined;
  readonly expect?: number;
  readonly place?: Place;
}
/** `prune=<label>` or `prune=<label>=<value>`. */
export const PRUNE_FORM = /^[^=\s]{1,63}(=.{0,256})?$/;

const labelsOf = (document: Readonly<Record<string, unknown>>): Record<string, unknown> => {
  const metadata = document.metadata;
  return isObject(metadata) && isObject(metadata.labels) ? metadata.labels : {};
};

/** `key` or `key=value`. */
export const hasLabel = (document: Readonly<Record<string, unknown>>, label: string): boolean => {
  const at = label.indexOf('=');
  const value = labelsOf(document)[at < 0 ? label : label.slice(0, at)];
  return at < 0 ? value !== undefined : value === label.slice(at + 1);
};

/** An error with one finding about the request as a whole. */
export const requestError = (code: string, message: string, hint?: string): TendrilError =>
  new TendrilError(code, message, {
    findings: [{ code, severity: 'error', message, ...(hint === undefined ? {} : { hint }) }],
    ...(hint === undefined ? {} : { remedy: hint }),
  });
export const keyOf = (ref: DocumentRef): string => documentKey(ref.kind, ref.namespace, ref.name);

export const toRaw = ({
  event,
  expect,
}: Change): { readonly type: string; readonly data: Readonly<Record<string, unknown>>; readonly expect?: number } => ({
  type: event.type,
  data: event.data,
  ...(expect === undefined ? {} : { expect }),
});

/** The warnings of a set without errors. Throws its errors. */
export const requireGood = (set: DocumentSet): readonly Finding[] => {
  const errors = set.findings.filter((finding) => finding.severity === 'error');
  const [first] = errors;
  if (first === undefined) return set.findings;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  throw new TendrilError(first.code, `${first.message}${more}`, {
    findings: set.findings,
    ...(first.hint === undefined ? {} : { remedy: first.hint }),
  });
};

/** Who changes what a file of `--dir` says should change the file. */
export const dirWarning = (change: Change, caller: string): readonly Finding[] => {
  const { before } = change;
  if (before?.source !== DIR_SOURCE || caller === DIR_SOURCE) return [];
  const where =
    before.file === undefined
      ? 'the watched directory'
      : `${before.file}${before.line === undefined ? '' : `:${before.line}`}`;
  return [
    {
      code: 'W110',
      severity: 'warning',
      message: `${change.event.document} comes from ${where} of --dir; what the file says is written again when the directory changes or the server starts`,
      document: change.event.document,
      hint: 'change the file instead',
    },
  ];
};
