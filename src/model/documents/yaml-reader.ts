/**
 * YAML text to plain JSON values, safely: nesting and aliases are bounded, keys are never lost or merged, nothing but JSON
 * types comes out. Everything that is wrong is a problem with an offset; nothing is thrown.
 */
import {
  Composer,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  type LineCounter,
  Parser,
  type YAMLMap,
} from 'yaml';
import { MAX_DEPTH } from './check/guard.ts';
import { isForbiddenKey } from './json.ts';

export interface TextProblemAt {
  /** E100: not YAML 1.2 or JSON. */
  readonly code: string;
  readonly message: string;
  /** UTF-16 units from the start of the text. */
  readonly offset: number;
}

export interface ReadDocument {
  readonly document: Document.Parsed;
  /** Plain JSON; aliased parts are shared, not copied. */
  readonly value: unknown;
  readonly problems: readonly TextProblemAt[];
}

/** Levels that are no nesting of the document: the stream, the document, a list around documents, a scalar. */
const PARSER_LEVELS = 8;
const MAX_PROBLEMS = 20;
const PLAIN_TAGS: readonly string[] = ['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map(
  (tag) => `tag:yaml.org,2002:${tag}`,
);

interface Conversion {
  readonly problems: TextProblemAt[];
  /** Anchors seen so far; the last of a name counts. */
  readonly anchors: Map<string, unknown>;
}

const offsetOf = (node: unknown): number => {
  const range = isScalar(node) || isCollection(node) || isAlias(node) ? node.range : undefined;
  return range?.[0] ?? 0;
};

const problem = (conversion: Conversion, node: unknown, message: string): undefined => {
  if (conversion.problems.length < MAX_PROBLEMS) {
    conversion.problems.push({ code: 'E100', message, offset: offsetOf(node) });
  }
  return undefined;
};

const convertMap = (conversion: Conversion, map: YAMLMap): Record<string, unknown> => {
  const result: Record<string, unknown> = {};
  const seen = new Set<string>();
  for (const pair of map.items) {
    if (!isScalar(pair.key)) {
      problem(conversion, pair.key ?? map, 'A key must be a text, not a list, a map or an alias.');
      continue;
    }
    // What the author wrote: the key 1.10 is "1.10", not the number 1.1.
    const key = pair.key.source ?? String(pair.key.value);
    if (seen.has(key)) problem(conversion, pair.key, `Key "${key}" is given twice.`);
    seen.add(key);
    const value = convert(conversion, pair.value);
    if (isForbiddenKey(key)) {
      // Kept as an own property, so that the check of the document can refuse it by name.
      Object.defineProperty(result, key, { value, enumerable: true, writable: true, configurable: true });
    } else result[key] = value;
  }
  return result;
};

const convert = (conversion: Conversion, node: unknown): unknown => {
  if (node === null || node === undefined) return null;
  if (isAlias(node)) {
    if (conversion.anchors.has(node.source)) return conversion.anchors.get(node.source);
    return problem(conversion, node, `Alias *${node.source} has no finished anchor before it.`);
  }
  if (!isScalar(node) && !isCollection(node)) return problem(conversion, node, 'Not a value.');
  if (node.tag !== undefined && !PLAIN_TAGS.includes(node.tag)) {
    return problem(conversion, node, `Tag ${node.tag} is not allowed; documents are plain JSON values.`);
  }
  let value: unknown;
  if (isMap(node)) value = convertMap(conversion, node);
  else if (isSeq(node)) value = node.items.map((item) => convert(conversion, item));
  else if (isScalar(node)) {
    value = node.value;
    const plain = value === null || ['string', 'number', 'boolean'].includes(typeof value);
    if (!plain) return problem(conversion, node, 'Not a text, number, boolean or null.');
  }
  if (node.anchor !== undefined) conversion.anchors.set(node.anchor, value);
  return value;
};

const finish = (document: Document.Parsed): ReadDocument => {
  const conversion: Conversion = { problems: [], anchors: new Map() };
  for (const { message, pos } of [...document.errors, ...document.warnings].slice(0, MAX_PROBLEMS)) {
    conversion.problems.push({ code: 'E100', message: `Not YAML or JSON: ${message}.`, offset: pos[0] });
  }
  if (document.directives.yaml.version !== '1.2') {
    problem(conversion, document.contents, `YAML ${document.directives.yaml.version} is not read, only 1.2.`);
  }
  return { document, value: convert(conversion, document.contents), problems: conversion.problems };
};

/** Documents of the text one by one; a text that nests too deep ends with the offset where it does. */
export const readYaml = function* (
  text: string,
  lines: LineCounter,
): Generator<ReadDocument | { readonly tooDeep: number }> {
  const parser = new Parser(lines.addNewLine);
  // Own check of keys: the library compares each key with all others, which takes minutes on a hostile map.
  const composer = new Composer({
    uniqueKeys: false,
    version: '1.2',
    merge: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) for (const document of composer.next(token)) yield finish(document);
    if (parser.stack.length > MAX_DEPTH + PARSER_LEVELS) {
      yield { tooDeep: parser.offset };
      return;
    }
  }
  for (const token of parser.end()) for (const document of composer.next(token)) yield finish(document);
  for (const document of composer.end()) yield finish(document);
};
