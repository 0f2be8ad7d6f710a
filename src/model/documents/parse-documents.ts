/**
 * Documents from text: YAML 1.2 (several, separated by `---`) or JSON (one, or a list). Every finding has its place.
 * Never throws: text is input like any other.
 */
import { isMap, isScalar, isSeq, LineCounter, type Node } from 'yaml';
import type { Finding } from '../finding.ts';
import { type CheckOptions, readableKey, readDocument } from './check/check-document.ts';
import { MAX_DEPTH } from './check/guard.ts';
import type { PolicyDocument } from './document.ts';
import { isObject, pointerTokens } from './json.ts';
import { readYaml } from './yaml-reader.ts';

/** Text of one call or file, in UTF-16 units: some 15,000 documents, and seconds of work. */
export const MAX_TEXT_LENGTH = 4 * 1024 * 1024;

export interface Place {
  /** 1-based. */
  readonly line: number;
  /** 1-based. */
  readonly column: number;
}

export interface ParsedDocument {
  readonly document: PolicyDocument;
  readonly file: string | undefined;
  /** First line of the document, 1-based. */
  readonly line: number;
  /** Where a field stands: for findings of checks across documents. */
  readonly locate: (pointer: string) => Place;
}

export interface RefusedDocument {
  /** `Kind/namespace/name` as far as it could be read: what `--dir` must not take as deleted. */
  readonly key: string | undefined;
  readonly line: number;
}

export interface ParseResult {
  /** Documents without errors, in the order of the text. */
  readonly documents: readonly ParsedDocument[];
  readonly refused: readonly RefusedDocument[];
  /** Of all documents, each with file, line and column. */
  readonly findings: readonly Finding[];
}

export interface ParseOptions extends CheckOptions {
  /** Name for findings and events. */
  readonly file?: string;
}

/** The node that a pointer means, or the nearest around it; `key`: rather the key than the value (unknown fields). */
const nodeAt = (root: unknown, tokens: readonly string[], key: boolean): unknown => {
  let node = root;
  for (const [index, token] of tokens.entries()) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key: name }) => isScalar(name) && (name.source ?? String(name.value)) === token);
      if (pair === undefined) return node;
      next = (key && index === tokens.length - 1 ? pair.key : pair.value) ?? pair.key;
    } else if (isSeq(node)) next = node.items[Number(token)];
    if (next === undefined || next === null) return node;
    node = next;
  }
  return node;
};

const startOf = (node: unknown): number => {
  const range: unknown = isObject(node) ? node.range : undefined;
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : 0;
};

/** Codes that are about the name of a field, not about its value. */
const ABOUT_KEYS: readonly string[] = ['E101', 'E107'];

export const parseDocuments = (text: string, options: ParseOptions = {}): ParseResult => {
  const { file } = options;
  const findings: Finding[] = [];
  const documents: ParsedDocument[] = [];
  const refused: RefusedDocument[] = [];
  const lines = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const report = (finding: Finding, place: Place): void => {
    findings.push({ ...finding, ...(file === undefined ? {} : { file }), ...place });
  };
  const general = (code: string, message: string, place: Place): void =>
    report({ code, severity: 'error', message }, place);

  if (text.length > MAX_TEXT_LENGTH) {
    general(
      'E106',
      `The text has ${text.length} characters, ${MAX_TEXT_LENGTH} are allowed; split it into several files.`,
      {
        line: 1,
        column: 1,
      },
    );
    return { documents, refused: [{ key: undefined, line: 1 }], findings };
  }
  const bad = text.indexOf('\ufffd');

  const readOne = (root: unknown, value: unknown): void => {
    const line = placeAt(startOf(root)).line;
    const locate = (pointer: string, key = false): Place => placeAt(startOf(nodeAt(root, pointerTokens(pointer), key)));
    const checked = readDocument(value, options);
    for (const finding of checked.findings)
      report(finding, locate(finding.pointer ?? '', ABOUT_KEYS.includes(finding.code)));
    if (checked.ok) documents.push({ document: checked.document, file, line, locate: (pointer) => locate(pointer) });
    else refused.push({ key: readableKey(value), line });
  };

  for (const read of readYaml(text, lines)) {
    if ('tooDeep' in read) {
      general('E106', `The text is nested deeper than ${MAX_DEPTH} levels.`, placeAt(read.tooDeep));
      refused.push({ key: undefined, line: placeAt(read.tooDeep).line });
      break;
    }
    const { problems, document, value } = read;
    for (const problem of problems) general(problem.code, problem.message, placeAt(problem.offset));
    const root: Node | null = document.contents;
    if (problems.length > 0) {
      refused.push({ key: readableKey(value), line: placeAt(startOf(root)).line });
      continue;
    }
    // An empty document (a lone `---`, a file of comments) says nothing.
    if (root === null || value === null) continue;
    if (isSeq(root) && Array.isArray(value))
      for (const [index, item] of value.entries()) readOne(root.items[index], item);
    else readOne(root, value);
  }
  if (bad >= 0) {
    general('E100', 'The text is not valid UTF-8 (or holds the replacement character U+FFFD).', placeAt(bad));
    return {
      documents: [],
      refused: [...refused, ...documents.map(({ line, document }) => ({ key: readableKey(document), line }))],
      findings,
    };
  }
  return { documents, refused, findings };
};
