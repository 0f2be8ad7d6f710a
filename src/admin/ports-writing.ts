/** Ports for what writes: ingest's gateway and documents. */
import type { EventStatus, Finding } from '../model/index.ts';
import type { ObservedEvent } from './ports-audit.ts';

export interface Place {
  readonly pointer?: string;
  readonly file?: string;
  readonly line?: number;
}

export interface Submission {
  readonly events: readonly unknown[];
  readonly caller: string;
  readonly wait?: 'folded' | 'applied';
  readonly timeoutMs?: number;
  readonly place?: (index: number) => Place;
  readonly observe?: Observe;
}

/** Told what is appended: with its offsets, or without them when the log refused it. */
type Observe = (events: readonly ObservedEvent[], offsets: readonly number[] | undefined) => void;

export interface EventAnswer {
  readonly offset: number;
  readonly status: EventStatus | 'pending';
  readonly code?: string;
  readonly message?: string;
}

export interface SubmitAnswer {
  readonly result: 'applied' | 'rejected' | 'pending';
  readonly offsets: readonly number[];
  readonly events: readonly EventAnswer[];
  readonly findings: readonly Finding[];
}

/** `Ingest` fits. */
export interface IngestPort {
  submit(submission: Submission): Promise<SubmitAnswer>;
}

export interface WriteOptions {
  readonly caller: string;
  readonly reason?: string;
  readonly wait?: 'folded' | 'applied';
  readonly timeoutMs?: number;
  readonly dryRun?: boolean;
  readonly observe?: Observe;
}

export interface DocumentRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface WriteAnswer extends SubmitAnswer {
  readonly results: readonly { readonly document: string; readonly action: string; readonly offset: number }[];
  readonly dryRun: boolean;
}

/** `DocumentSet` of ingest fits. */
export interface DocumentSet {
  readonly documents: readonly {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly document: Readonly<Record<string, unknown>>;
  }[];
  readonly findings: readonly Finding[];
}

/** `documentGateway` of ingest fits: its reader of texts beside `DocumentGateway`. */
export interface DocumentsPort {
  ofText(text: string, options: { readonly file?: string }): Promise<DocumentSet>;
  ofJson(value: unknown, options: { readonly file?: string }): Promise<DocumentSet>;
  apply(set: DocumentSet, options: WriteOptions & { readonly prune?: string }): Promise<WriteAnswer>;
  put(ref: DocumentRef, set: DocumentSet, options: WriteOptions & { readonly expect?: number }): Promise<WriteAnswer>;
  delete(ref: DocumentRef, options: WriteOptions & { readonly expect?: number }): Promise<WriteAnswer>;
  patch(
    ref: DocumentRef,
    patch: readonly unknown[],
    options: WriteOptions & { readonly expect?: number },
  ): Promise<WriteAnswer>;
}
