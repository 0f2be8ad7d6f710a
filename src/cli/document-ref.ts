/** `KIND/NAME`, `KIND/NAMESPACE/NAME` or `KIND NAME` with `-n NAMESPACE` on the command line. */
import { TendrilError } from '../model/index.ts';
import { nearest } from './arguments.ts';

export const DOCUMENT_KINDS = [
  'Service',
  'Route',
  'Upstream',
  'Dependency',
  'Access',
  'RateLimit',
  'Telemetry',
  'Extension',
] as const;

export interface DocumentRef {
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

/** The kind in its written form; plurals and lower case are understood. */
export const kindOf = (word: string): string => {
  const plain = word.toLowerCase().replace(/ies$/, 'y').replace(/s$/, '');
  const found = DOCUMENT_KINDS.find(
    (kind) => kind.toLowerCase() === plain || kind.toLowerCase() === word.toLowerCase(),
  );
  if (found !== undefined) return found;
  const meant = nearest(
    word,
    DOCUMENT_KINDS.map((kind) => kind.toLowerCase()),
  );
  throw new TendrilError(
    'USAGE',
    `"${word}" is not a kind${meant === undefined ? '' : `; did you mean ${meant}?`}; allowed: ${DOCUMENT_KINDS.join(', ')}`,
  );
};

export const documentRef = (words: readonly string[], namespace: string | undefined): DocumentRef => {
  const parts = words.flatMap((word) => word.split('/'));
  const [kind, first, second] = parts;
  if (kind === undefined || parts.length > 3 || parts.some((part) => part === ''))
    throw new TendrilError(
      'USAGE',
      `"${words.join(' ')}" names no document; allowed: KIND, KIND/NAME, KIND/NAMESPACE/NAME`,
    );
  if (second !== undefined && first !== undefined) return { kind: kindOf(kind), namespace: first, name: second };
  return { kind: kindOf(kind), namespace, name: first };
};
