/** What makes one thing of another: RFC 6902 operations, and the same for people. */
import jsonPatch, { type Operation } from 'fast-json-patch';

type Json = Readonly<Record<string, unknown>>;

export interface Change {
  readonly change: 'added' | 'changed' | 'removed' | 'unchanged';
  /** From the one before to the one after; the path '' stands for the whole. */
  readonly patch: readonly Operation[];
  /** One for each operation: `timeout 2s -> 5s`, `+retry`, `-weight`. */
  readonly lines: readonly string[];
}

const MAX_VALUE = 60;
const MAX_LINES = 200;

/** Short, in one line. */
const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return text.length <= MAX_VALUE ? text : `${text.slice(0, MAX_VALUE - 1)}…`;
};

const isScalar = (value: unknown): boolean => typeof value !== 'object' || value === null;

/** `/spec/rules/a~1b/timeout` -> `rules.a/b.timeout`: nearly everything of a document is in its spec. */
const nameOf = (path: string): string => {
  const tokens = path.split('/').slice(1).map(jsonPatch.unescapePathComponent);
  return (tokens[0] === 'spec' && tokens.length > 1 ? tokens.slice(1) : tokens).join('.');
};

const valueAt = (document: Json, path: string): unknown =>
  path
    .split('/')
    .slice(1)
    .map(jsonPatch.unescapePathComponent)
    .reduce<unknown>((value, token) => (value as Json | undefined)?.[token], document);

const lineOf = (before: Json, operation: Operation): string => {
  const name = nameOf(operation.path);
  switch (operation.op) {
    case 'add':
      return isScalar(operation.value) ? `+${name} ${shown(operation.value)}` : `+${name}`;
    case 'remove': {
      const value = valueAt(before, operation.path);
      return isScalar(value) ? `-${name} ${shown(value)}` : `-${name}`;
    }
    case 'replace':
      return `${name} ${shown(valueAt(before, operation.path))} -> ${shown(operation.value)}`;
    default:
      return `${operation.op} ${name}`;
  }
};

/** Undefined: it is not there. */
export const changeOf = (before: Json | undefined, after: Json | undefined): Change => {
  if (before === undefined && after === undefined) return { change: 'unchanged', patch: [], lines: [] };
  if (before === undefined) return { change: 'added', patch: [{ op: 'add', path: '', value: after }], lines: [] };
  if (after === undefined) return { change: 'removed', patch: [{ op: 'remove', path: '' }], lines: [] };
  const patch = jsonPatch.compare(before, after);
  const lines = patch.slice(0, MAX_LINES).map((operation) => lineOf(before, operation));
  return { change: patch.length === 0 ? 'unchanged' : 'changed', patch, lines };
};
