/** Documents of one text or request: parsed, checked one by one, each once. */
import {
  documentKey,
  type Finding,
  isObject,
  namespaceOf,
  type PolicyDocument,
  parseDocuments,
  readDocument,
} from '../model/index.ts';
import type { ObservedDocument } from './reconcile.ts';
import type { TextPlace } from './submission.ts';

export interface DocumentSet {
  /** Documents without an error, in the order given. */
  readonly documents: readonly ObservedDocument[];
  /** Errors and warnings; with an error the set as a whole should not be used. */
  readonly findings: readonly Finding[];
}

export interface DocumentSetOptions {
  /** Name for findings and for `why`. */
  readonly file?: string;
}

const MAX_FINDINGS = 100;
/** Characters that are parsed in one go: some 30 ms. Only a single longer document takes longer. */
const TURN_CHARACTERS = 16_384;
/** Begins a YAML document, wherever it stands at the start of a line (YAML 1.2, `c-forbidden`). */
const DOCUMENT_START = /^---(?=[ \t\r\n]|$)/gm;

const keyOf = (entry: Pick<ObservedDocument, 'kind' | 'namespace' | 'name'>): string =>
  documentKey(entry.kind, entry.namespace, entry.name);

const placeOf = (document: Pick<ObservedDocument, 'file' | 'line'>): string => {
  const line = document.line === undefined ? '' : `${document.file === undefined ? 'line ' : ':'}${document.line}`;
  return document.file === undefined && line === '' ? '' : ` (${document.file ?? ''}${line})`;
};

/** E109 for the second of two documents of one name. */
export const duplicateFinding = (
  first: Pick<ObservedDocument, 'kind' | 'namespace' | 'name' | 'file' | 'line'>,
  second: ObservedDocument,
): Finding => ({
  code: 'E109',
  severity: 'error',
  message: `${keyOf(second)} is given twice: the first one${placeOf(first)} counts, this one does not`,
  document: keyOf(second),
  related: [{ document: keyOf(first) }],
  ...(second.file === undefined ? {} : { file: second.file }),
  ...(second.line === undefined ? {} : { line: second.line, column: 1 }),
  hint: 'delete one of them, or join them',
});

interface Origin {
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly locate?: ObservedDocument['locate'];
}

const observed = (document: PolicyDocument, place: Origin): ObservedDocument => ({
  kind: document.kind,
  namespace: namespaceOf(document),
  name: document.metadata.name,
  // A checked document is plain JSON; only its type says more.
  document: document as unknown as Readonly<Record<string, unknown>>,
  ...(place.file === undefined ? {} : { file: place.file }),
  ...(place.line === undefined ? {} : { line: place.line }),
  ...(place.locate === undefined ? {} : { locate: place.locate }),
});

class Collector {
  readonly findings: Finding[] = [];
  readonly documents = new Map<string, ObservedDocument>();

  add(document: ObservedDocument): void {
    const first = this.documents.get(keyOf(document));
    if (first === undefined) this.documents.set(keyOf(document), document);
    else this.findings.push(duplicateFinding(first, document));
  }

  result(): DocumentSet {
    return { documents: [...this.documents.values()], findings: this.findings.slice(0, MAX_FINDINGS) };
  }
}

/** Texts of about `TURN_CHARACTERS` that hold whole documents. One piece when directives (`%…`) belong to a document. */
const pieces = (text: string): readonly string[] => {
  if (text.length <= TURN_CHARACTERS || /^%/m.test(text)) return [text];
  const result: string[] = [];
  let start = 0;
  for (const match of text.matchAll(DOCUMENT_START)) {
    if (match.index - start < TURN_CHARACTERS) continue;
    result.push(text.slice(start, match.index));
    start = match.index;
  }
  result.push(text.slice(start));
  return result;
};

const countLines = (text: string): number => {
  let lines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++;
  return lines;
};

const shifted = (place: TextPlace, lines: number): TextPlace => ({ line: place.line + lines, column: place.column });

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Documents of a YAML or JSON text. Other work gets its turn between the documents of a long one. */
export const documentsOfText = async (text: string, options: DocumentSetOptions = {}): Promise<DocumentSet> => {
  const collector = new Collector();
  let linesBefore = 0;
  for (const [index, piece] of pieces(text).entries()) {
    if (index > 0) await nextTurn();
    const parsed = parseDocuments(piece, options);
    for (const finding of parsed.findings)
      collector.findings.push(finding.line === undefined ? finding : { ...finding, line: finding.line + linesBefore });
    const skipped = linesBefore;
    for (const { document, file, line, locate } of parsed.documents)
      collector.add(
        observed(document, { file, line: line + skipped, locate: (pointer) => shifted(locate(pointer), skipped) }),
      );
    linesBefore += countLines(piece);
    if (collector.findings.length >= MAX_FINDINGS) break;
  }
  return collector.result();
};

/** A client that read files may say where each document was: `{"document": {…}, "file"?, "line"?}`. */
const unwrap = (entry: unknown): { readonly item: unknown; readonly file?: string; readonly line?: number } => {
  if (!isObject(entry) || entry.apiVersion !== undefined || entry.kind !== undefined || !isObject(entry.document))
    return { item: entry };
  const { document, file, line } = entry;
  return {
    item: document,
    ...(typeof file === 'string' && file.length <= 1024 ? { file } : {}),
    ...(Number.isSafeInteger(line) && Number(line) >= 1 ? { line: Number(line) } : {}),
  };
};

/** Documents of a parsed JSON value: one, a list, or `{"documents": [...]}`. */
export const documentsOfJson = async (value: unknown, options: DocumentSetOptions = {}): Promise<DocumentSet> => {
  const named =
    isObject(value) && Array.isArray(value.documents) && value.kind === undefined ? value.documents : undefined;
  const list: readonly unknown[] | undefined = Array.isArray(value) ? value : named;
  const prefix = named === undefined ? '' : '/documents';
  const collector = new Collector();
  for (const [index, entry] of (list ?? [value]).entries()) {
    if (index % 64 === 63) await nextTurn();
    const { item, file, line } = unwrap(entry);
    const checked = readDocument(item);
    const base = list === undefined ? '' : `${prefix}/${index}`;
    for (const finding of checked.findings)
      collector.findings.push(
        finding.document === undefined ? { ...finding, pointer: `${base}${finding.pointer ?? ''}` } : finding,
      );
    if (checked.ok) collector.add(observed(checked.document, { file: file ?? options.file, line }));
    if (collector.findings.length >= MAX_FINDINGS) break;
  }
  return collector.result();
};
