/** What the routes of one document have in common: parameters and answers of writes, the name in the address. */
import { documentKey, KINDS, type Kind, TendrilError } from '../../model/index.ts';
import type { AdminPorts, DocumentRef, DocumentView, WriteOptions } from '../ports.ts';
import { refusal } from '../problem.ts';
import { durationParam, flagParam, textParam, wordParam } from '../route.ts';

export const writeParams = {
  wait: wordParam('`applied`: answer when all xDS streams see the change.', ['applied']),
  timeout: durationParam('How long to wait; then the answer is 202.'),
  reason: textParam('Why, for the history.'),
  dryRun: flagParam('Only say what would happen.'),
};

export const writeAnswers = {
  200: 'Applied, or nothing to change.',
  202: 'Durable; not decided, or not visible yet.',
  400: 'The document has an error; nothing was appended.',
  409: 'Rejected by the fold.',
};

interface WriteQuery {
  readonly wait: 'applied' | undefined;
  readonly timeout: number | undefined;
  readonly reason: string | undefined;
  readonly dryRun: boolean;
}

export const optionsOf = (caller: string, query: WriteQuery): WriteOptions => ({
  caller,
  dryRun: query.dryRun,
  ...(query.wait === undefined ? {} : { wait: query.wait }),
  ...(query.timeout === undefined ? {} : { timeoutMs: query.timeout }),
  ...(query.reason === undefined ? {} : { reason: query.reason }),
});

/** Throws E102 for an unknown kind. Kinds are written as in documents; `route` is taken for `Route`. */
export const kindOf = (text: string): Kind => {
  const kind = KINDS.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
  if (kind === undefined)
    throw refusal('E102', `kind "${text.slice(0, 80)}" is unknown; allowed are ${KINDS.join(', ')}`);
  return kind;
};

export const refOf = (path: Readonly<Record<string, string>>): DocumentRef => ({
  kind: kindOf(path.kind ?? ''),
  namespace: path.namespace ?? '',
  name: path.name ?? '',
});

export const storedOf = (ports: AdminPorts, ref: DocumentRef): DocumentView | undefined =>
  ports.state.policy(ref.kind, ref.namespace, ref.name);

export const keyOf = (ref: DocumentRef): string => documentKey(ref.kind, ref.namespace, ref.name);

export const unknownDocument = (ref: DocumentRef): TendrilError =>
  new TendrilError('DOCUMENT_UNKNOWN', `there is no ${keyOf(ref)}`, { remedy: `see GET /v1/docs?kind=${ref.kind}` });
