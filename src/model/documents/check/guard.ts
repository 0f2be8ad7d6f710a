/**
 * What is checked before anything walks a document recursively: depth, size, forbidden keys, numbers that JSON cannot hold.
 * Uses its own stack, so nesting cannot overflow ours, and stops at the size limit, so aliases cannot blow up.
 */
import { isForbiddenKey, pointerOf } from '../json.ts';
import type { FindingSink } from './finding-sink.ts';

/** Bytes of a document as JSON (policies.md section 1, envelope). */
export const MAX_DOCUMENT_BYTES = 256 * 1024;
/** Deepest nesting of a document. The deepest field of any kind is at 10. */
export const MAX_DEPTH = 64;

/** Bytes of a text in UTF-8. */
export const utf8Length = (text: string): number => {
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x80) continue;
    // A surrogate pair is two units and four bytes: two per unit.
    bytes += code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 1 : 2;
  }
  return bytes;
};

interface Open {
  readonly value: Record<string, unknown> | readonly unknown[];
  /** Keys of an object; undefined for a list. */
  readonly keys: readonly string[] | undefined;
  next: number;
}

const open = (value: object): Open =>
  Array.isArray(value)
    ? { value, keys: undefined, next: 0 }
    : { value: value as Record<string, unknown>, keys: Object.keys(value), next: 0 };

/**
 * False when the document may not be walked (E106, or not JSON). Forbidden keys (E101) and numbers that JSON cannot hold (E102)
 * are reported and the rest goes on; later walks pass over them.
 */
export const isWalkable = (document: unknown, sink: FindingSink): boolean => {
  let bytes = 0;
  let good = true;
  const stack: Open[] = [];
  const here = (): (string | number)[] =>
    stack.map((level) => (level.keys === undefined ? level.next - 1 : (level.keys[level.next - 1] ?? '')));
  const visit = (value: unknown): void => {
    switch (typeof value) {
      case 'string':
        bytes += utf8Length(value) + 3;
        return;
      case 'number':
        bytes += 2;
        if (!Number.isFinite(value)) {
          sink.report('E102', `"${pointerOf(here())}" is ${value}, a finite number is allowed.`, here());
        }
        return;
      case 'boolean':
        bytes += 5;
        return;
      case 'object':
        if (value === null) bytes += 5;
        else {
          bytes += 3;
          stack.push(open(value));
        }
        return;
      default:
        good = false;
        sink.report('E102', `A ${typeof value} is no JSON value.`, here());
    }
  };
  visit(document);
  while (stack.length > 0) {
    if (bytes > MAX_DOCUMENT_BYTES) {
      sink.report(
        'E106',
        `The document has more than ${MAX_DOCUMENT_BYTES} bytes as JSON, ${MAX_DOCUMENT_BYTES} are allowed.`,
      );
      return false;
    }
    const level = stack[stack.length - 1];
    if (level === undefined) break;
    if (stack.length > MAX_DEPTH) {
      stack.pop();
      sink.report('E106', `The document is nested deeper than ${MAX_DEPTH} levels.`, here());
      return false;
    }
    const at = level.next++;
    if (level.keys === undefined) {
      const items = level.value as readonly unknown[];
      if (at >= items.length) stack.pop();
      else visit(items[at]);
      continue;
    }
    const key = level.keys[at];
    if (key === undefined) {
      stack.pop();
      continue;
    }
    bytes += utf8Length(key) + 4;
    if (isForbiddenKey(key)) {
      sink.report('E101', `"${key}" is not allowed as a name anywhere.`, here());
      continue;
    }
    visit((level.value as Record<string, unknown>)[key]);
  }
  if (bytes > MAX_DOCUMENT_BYTES) {
    sink.report(
      'E106',
      `The document has more than ${MAX_DOCUMENT_BYTES} bytes as JSON, ${MAX_DOCUMENT_BYTES} are allowed.`,
    );
    return false;
  }
  return good;
};
