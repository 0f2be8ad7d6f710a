/** RFC 6902 patches of documents (policies.md section 1, "JSON Patch"). */
import jsonPatch, { type Operation } from 'fast-json-patch';
import type { Finding } from '../finding.ts';
import { type CheckOptions, readDocument } from './check/check-document.ts';
import { createFindingSink } from './check/finding-sink.ts';
import { isWalkable } from './check/guard.ts';
import { show } from './check/wording.ts';
import { keyOf, type PolicyDocument } from './document.ts';
import { isForbiddenKey, isObject, pointerTokens } from './json.ts';

export const MAX_PATCH_OPERATIONS = 256;

const OPERATIONS: readonly string[] = ['add', 'remove', 'replace', 'move', 'copy', 'test'];
const POINTER = /^(?:\/(?:[^~/]|~[01])*)*$/;

export type PatchResult =
  | { readonly ok: true; readonly document: PolicyDocument; readonly findings: readonly Finding[] }
  | { readonly ok: false; readonly findings: readonly Finding[] };

/** What is wrong with the form of an operation; undefined: it is one of RFC 6902. */
const operationProblem = (operation: unknown): string | undefined => {
  if (!isObject(operation)) return `is ${show(operation)}, an object with op and path is due`;
  const { op, path, from } = operation;
  if (typeof op !== 'string' || !OPERATIONS.includes(op))
    return `has op ${show(op)}, allowed is ${OPERATIONS.join(', ')}`;
  if (typeof path !== 'string' || !POINTER.test(path)) return `has path ${show(path)}, an RFC 6901 pointer is due`;
  const pointers = [path];
  if (op === 'move' || op === 'copy') {
    if (typeof from !== 'string' || !POINTER.test(from)) return `has from ${show(from)}, an RFC 6901 pointer is due`;
    pointers.push(from);
  } else if (op !== 'remove' && operation.value === undefined) return `(${op} ${path}) has no value`;
  const forbidden = pointers.flatMap(pointerTokens).find(isForbiddenKey);
  return forbidden === undefined ? undefined : `goes through "${forbidden}", which is not allowed as a name`;
};

const refuse = (document: PolicyDocument, message: string, pointer?: string): PatchResult => ({
  ok: false,
  findings: [
    {
      code: 'E110',
      severity: 'error',
      message,
      document: keyOf(document),
      ...(pointer === undefined ? {} : { pointer }),
      hint: `tendril get ${keyOf(document)} -o json`,
    },
  ],
});

/** The reason as one short sentence: the library prints the whole document below it. */
const reasonOf = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n')[0] ?? text;
};

/**
 * The document after a patch, checked as if the whole result had been applied. The given document is not changed.
 * E110: the patch does not fit (missing path, failed test, other identity); other codes: the result is not a good document.
 */
export const applyPatch = (document: PolicyDocument, operations: unknown, options: CheckOptions = {}): PatchResult => {
  if (!Array.isArray(operations) || operations.length === 0 || operations.length > MAX_PATCH_OPERATIONS) {
    return refuse(document, `A patch is a list of 1..${MAX_PATCH_OPERATIONS} operations; found ${show(operations)}.`);
  }
  const sink = createFindingSink(keyOf(document));
  if (!isWalkable(operations, sink)) {
    return {
      ok: false,
      findings: sink.findings.map((finding) => ({ ...finding, message: `Patch: ${finding.message}` })),
    };
  }
  // Copies, because operations are carried out in place: neither the document nor the event changes.
  let result: unknown = structuredClone(document);
  for (const [index, operation] of structuredClone(operations).entries()) {
    const problem = operationProblem(operation);
    if (problem !== undefined) return refuse(document, `Operation ${index} ${problem}.`);
    const { op, path } = operation as Operation;
    try {
      // One by one, so that the failing operation can be named.
      result = jsonPatch.applyPatch(result, [operation as Operation], true, true, true).newDocument;
    } catch (error) {
      const what = op === 'test' ? 'the value there is another one, or there is none' : reasonOf(error);
      return refuse(document, `Operation ${index} (${op} ${path}) does not fit: ${what}.`, path);
    }
    // A copy may double the document: 40 of them would be a poison event that no core survives.
    if (op === 'copy' && !isWalkable(result, sink)) {
      const [finding] = sink.findings;
      const why = finding?.message ?? 'The document cannot be walked.';
      return {
        ok: false,
        findings: [{ code: 'E106', severity: 'error', ...finding, message: `Patch, operation ${index}: ${why}` }],
      };
    }
  }
  const checked = readDocument(result, options);
  if (!checked.ok) return checked;
  if (keyOf(checked.document) !== keyOf(document)) {
    return refuse(document, `A patch cannot make ${keyOf(document)} into ${keyOf(checked.document)}.`, '/metadata');
  }
  return { ok: true, document: checked.document, findings: checked.findings };
};
