/** `KIND/NAME`, `KIND/NAMESPACE/NAME` or `KIND NAME` with `-n NAMESPACE` on the command line. */
import { KINDS, type Kind, nearestWord } from '../model/index.ts';
import { usageError } from './arguments.ts';

export interface DocumentRef {
  readonly kind: Kind;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

/** The kind in its written form; plurals and lower case are understood. */
export const kindOf = (word: string): Kind => {
  const plain = word.toLowerCase().replace(/ies$/, 'y').replace(/s$/, '');
  const found = KINDS.find((kind) => [plain, word.toLowerCase()].includes(kind.toLowerCase()));
  if (found !== undefined) return found;
  const meant = nearestWord(word, KINDS);
  throw usageError(
    `"${word}" is not a kind${meant === undefined ? '' : `; did you mean ${meant}?`}; allowed: ${KINDS.join(', ')}`,
  );
};

export const documentRef = (words: readonly string[], namespace: string | undefined): DocumentRef => {
  const parts = words.flatMap((word) => word.split('/'));
  const [kind, first, second] = parts;
  if (kind === undefined || parts.length > 3 || parts.some((part) => part === ''))
    throw usageError(`"${words.join(' ')}" names no document; allowed: KIND, KIND/NAME, KIND/NAMESPACE/NAME`);
  if (second !== undefined && first !== undefined) return { kind: kindOf(kind), namespace: first, name: second };
  return { kind: kindOf(kind), namespace, name: first };
};
