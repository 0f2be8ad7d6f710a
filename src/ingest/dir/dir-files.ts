/**
 * What the files of a watched directory say, and when to believe it. Pure: the adapter reads files and clocks.
 *
 * Invariants:
 * 1. A file is believed once it has been the same for `quietMs`; when believing it would take a document away, or it does not
 *    look finished (empty, no final newline), or it is gone, once that has been so for `settleMs`: an editor that saves in two
 *    steps is not caught between them.
 * 2. A file is taken whole or not at all: while it has an error, or is not believed yet, the documents known from it stay.
 * 3. Of two documents of one name the one in the first file by path counts; the other is reported.
 */
import { compareText, type Finding } from '../../model/index.ts';
import { duplicateFinding } from '../document-set.ts';
import type { KnownDocument, ObservedDocument } from '../reconcile.ts';

/** What was read from a file. */
export interface FileContent {
  readonly documents: readonly ObservedDocument[];
  readonly findings: readonly Finding[];
  /** Not empty, and ends with a newline. */
  readonly finished: boolean;
}

interface Version {
  /** Undefined: the file is gone. */
  readonly signature: string | undefined;
  readonly content: FileContent | undefined;
}

interface FileState {
  /** Believed; undefined: nothing yet since the start. */
  believed: Version | undefined;
  candidate: (Version & { readonly since: number }) | undefined;
}

export interface DirPatience {
  readonly quietMs: number;
  readonly settleMs: number;
}

export interface DirContent {
  readonly documents: readonly ObservedDocument[];
  readonly findings: readonly Finding[];
}

const hasError = (content: FileContent): boolean => content.findings.some((finding) => finding.severity === 'error');
const nameOf = (entry: Pick<KnownDocument, 'kind' | 'namespace' | 'name'>): string =>
  `${entry.kind}/${entry.namespace}/${entry.name}`;

export class DirFiles {
  readonly #files = new Map<string, FileState>();

  /** Files with a believed content, for health. */
  get size(): number {
    return [...this.#files.values()].filter((file) => file.believed?.signature !== undefined).length;
  }

  #state(path: string): FileState {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const made: FileState = { believed: undefined, candidate: undefined };
    this.#files.set(path, made);
    return made;
  }

  /** True when this version of the file has not been read yet. */
  wants(path: string, signature: string): boolean {
    const state = this.#files.get(path);
    if (state === undefined) return true;
    if (state.believed?.signature === signature) {
      // Back to what is believed: whatever was waiting is void.
      state.candidate = undefined;
      return false;
    }
    return state.candidate?.signature !== signature;
  }

  /** A version was read. `since`: from when on the file is known to have been like this, ms. */
  offer(path: string, signature: string, content: FileContent, since: number): void {
    this.#state(path).candidate = { signature, content, since };
  }

  /** The file cannot be looked at: what is known from it stays. */
  hold(path: string): void {
    this.#state(path);
  }

  /** The file is not there; `now` counts when it is noticed for the first time. */
  missing(path: string, now: number): void {
    const state = this.#state(path);
    if (state.believed !== undefined && state.believed.signature === undefined) state.candidate = undefined;
    else if (state.candidate === undefined || state.candidate.signature !== undefined)
      state.candidate = { signature: undefined, content: undefined, since: now };
  }

  /** Paths that are or were there. */
  paths(): Iterable<string> {
    return this.#files.keys();
  }

  /**
   * Believes what has been the same for long enough. `changed`: some file is believed anew; `waitMs`: when to look again
   * because a file is still waited for.
   */
  settle(
    now: number,
    patience: DirPatience,
    known: readonly KnownDocument[],
  ): { readonly changed: boolean; readonly waitMs: number | undefined } {
    let changed = false;
    let waitMs: number | undefined;
    for (const [path, state] of this.#files) {
      const { candidate } = state;
      if (candidate === undefined) continue;
      const needed = isDoubtful(
        candidate,
        known.filter((entry) => entry.file === path),
      )
        ? patience.settleMs
        : patience.quietMs;
      const left = candidate.since + needed - now;
      if (left > 0) {
        waitMs = Math.min(waitMs ?? left, left);
        continue;
      }
      state.believed = { signature: candidate.signature, content: candidate.content };
      state.candidate = undefined;
      changed = true;
      if (candidate.signature === undefined) this.#files.delete(path);
    }
    return { changed, waitMs };
  }

  /** All documents of the directory, those known from files that cannot be taken now included (invariant 2). */
  content(known: readonly KnownDocument[]): DirContent {
    const findings: Finding[] = [];
    const documents = new Map<string, ObservedDocument>();
    for (const path of [...this.#files.keys()].sort(compareText)) {
      const content = this.#files.get(path)?.believed?.content;
      if (content !== undefined) findings.push(...content.findings);
      const taken =
        content !== undefined && !hasError(content) ? content.documents : known.filter((entry) => entry.file === path);
      for (const document of taken) {
        const first = documents.get(nameOf(document));
        if (first === undefined) documents.set(nameOf(document), document);
        else findings.push(duplicateFinding(first, document));
      }
    }
    return { documents: [...documents.values()], findings };
  }
}

/** Believing this would take documents away, or the file may be half written. */
const isDoubtful = (candidate: Version, before: readonly KnownDocument[]): boolean => {
  const { content } = candidate;
  if (content === undefined || !content.finished) return true;
  if (hasError(content)) return false;
  const now = new Set(content.documents.map(nameOf));
  return before.some((entry) => !now.has(nameOf(entry)));
};
