/**
 * Documents as operators send them: many at once (`docs:apply`), or one (`PUT`, `DELETE`, `PATCH`). Turns them into events of
 * one batch; whether they fit the mesh is decided by the fold, or, for a dry run, by the same checks on the state as it is.
 */
import { canonicalJson, type Finding, policySubject, TendrilError } from '../model/index.ts';
import {
  type Change,
  type DocumentAction,
  type DocumentRef,
  dirWarning,
  hasLabel,
  keyOf,
  PRUNE_FORM,
  requestError,
  requireGood,
  toRaw,
} from './document-changes.ts';
import type { DocumentSet } from './document-set.ts';
import type { DryRun } from './dry-run.ts';
import type { Ingest } from './ingest.ts';
import type { StatePort, StoredDocument } from './ports.ts';
import { appliedEvent, deletedEvent, type ObservedDocument } from './reconcile.ts';
import { type Observe, placeFinding, type SubmitAnswer } from './submission.ts';

export interface WriteOptions {
  readonly caller: string;
  readonly reason?: string;
  readonly wait?: 'folded' | 'applied';
  readonly timeoutMs?: number;
  /** Only say what would happen. */
  readonly dryRun?: boolean;
  readonly observe?: Observe;
}

export interface DocumentResult {
  /** `Kind/namespace/name`. */
  readonly document: string;
  readonly action: DocumentAction;
  /** Of the event, or of the stored document when nothing changed; 0 for a dry run of something new. */
  readonly offset: number;
}

export interface WriteAnswer extends SubmitAnswer {
  readonly results: readonly DocumentResult[];
  readonly dryRun: boolean;
}

export interface DocumentGatewayOptions {
  readonly ingest: Pick<Ingest, 'submit' | 'limits'>;
  readonly state: StatePort;
  readonly dryRun: DryRun;
}

export class DocumentGateway {
  readonly #options: DocumentGatewayOptions;

  constructor(options: DocumentGatewayOptions) {
    this.#options = options;
  }

  /**
   * Applies a set as one batch; with `prune`, documents of the caller that carry the label and are not in the set are deleted
   * in the same batch. Rejects with `TendrilError`: code of the first finding when a document has an error, and as `submit`.
   */
  async apply(set: DocumentSet, options: WriteOptions & { readonly prune?: string }): Promise<WriteAnswer> {
    const warnings = requireGood(set);
    if (set.documents.length === 0)
      throw requestError(
        'E103',
        'there are no documents in what was sent; allowed are 1 or more',
        'send YAML with kind, metadata and spec',
      );
    const results: DocumentResult[] = [];
    const changes: Change[] = [];
    for (const document of set.documents) {
      const change = this.#change(document);
      if (change.action === 'unchanged')
        results.push({ document: change.event.document, action: 'unchanged', offset: change.before?.offset ?? 0 });
      else changes.push(change);
    }
    if (options.prune !== undefined) changes.push(...this.#pruned(set, options.prune, options.caller));
    return this.#write(changes, results, warnings, options);
  }

  /** Applies one document under a given name. `expect`: offset of the version that the author saw, 0: none. */
  async put(
    ref: DocumentRef,
    set: DocumentSet,
    options: WriteOptions & { readonly expect?: number },
  ): Promise<WriteAnswer> {
    const warnings = requireGood(set);
    const [document, second] = set.documents;
    if (document === undefined || second !== undefined)
      throw requestError(
        'E103',
        `${set.documents.length} documents were sent, exactly 1 is allowed here`,
        'send several with POST /v1/docs:apply',
      );
    if (document.kind !== ref.kind || document.namespace !== ref.namespace || document.name !== ref.name)
      throw requestError(
        'E102',
        `the document is ${keyOf(document)}, the address says ${keyOf(ref)}; allowed is the same name in both`,
      );
    const change = this.#change(document);
    const changed =
      change.action === 'unchanged' && options.expect === undefined
        ? []
        : [{ ...change, ...(options.expect === undefined ? {} : { expect: options.expect }) }];
    const same: DocumentResult[] =
      changed.length > 0
        ? []
        : [{ document: change.event.document, action: 'unchanged', offset: change.before?.offset ?? 0 }];
    return this.#write(changed, same, warnings, options);
  }

  /** Rejects with `DOCUMENT_UNKNOWN` when there is none. */
  async delete(ref: DocumentRef, options: WriteOptions & { readonly expect?: number }): Promise<WriteAnswer> {
    const before = this.#stored(ref);
    const change: Change = {
      event: deletedEvent(ref),
      action: 'deleted',
      before,
      ...(options.expect === undefined ? {} : { expect: options.expect }),
    };
    return this.#write([change], [], [], options);
  }

  /** RFC 6902. Rejects with `DOCUMENT_UNKNOWN` when there is none. */
  async patch(
    ref: DocumentRef,
    patch: readonly unknown[],
    options: WriteOptions & { readonly expect?: number },
  ): Promise<WriteAnswer> {
    const before = this.#stored(ref);
    const change: Change = {
      event: { type: 'policy.patched', data: { ...ref, patch }, document: keyOf(ref) },
      action: 'configured',
      before,
      ...(options.expect === undefined ? {} : { expect: options.expect }),
    };
    return this.#write([change], [], [], options);
  }

  #stored(ref: DocumentRef): StoredDocument {
    const stored = this.#options.state.policy(ref.kind, ref.namespace, ref.name);
    if (stored === undefined)
      throw new TendrilError('DOCUMENT_UNKNOWN', `there is no ${keyOf(ref)}`, { remedy: `tendril get ${ref.kind}` });
    return stored;
  }

  #change(document: ObservedDocument): Change {
    const before = this.#options.state.policy(document.kind, document.namespace, document.name);
    const same = before !== undefined && canonicalJson(before.document) === canonicalJson(document.document);
    const { file, line, locate } = document;
    return {
      event: appliedEvent(document),
      action: before === undefined ? 'created' : same ? 'unchanged' : 'configured',
      before,
      place: {
        ...(file === undefined ? {} : { file }),
        ...(line === undefined ? {} : { line }),
        ...(locate === undefined ? {} : { locate }),
      },
    };
  }

  #pruned(set: DocumentSet, label: string, caller: string): readonly Change[] {
    if (!PRUNE_FORM.test(label))
      throw requestError('E104', `prune=${JSON.stringify(label)} does not fit; allowed is <label> or <label>=<value>`);
    const without = set.documents.find((document) => !hasLabel(document.document, label));
    if (without !== undefined)
      throw requestError(
        'E102',
        `${keyOf(without)} has no label ${label}; with prune=${label} every document needs it, or it could never be pruned`,
        `add it to metadata.labels`,
      );
    const kept = new Set(set.documents.map(keyOf));
    return [...this.#options.state.policies()]
      .filter((entry) => entry.source === caller && hasLabel(entry.document, label) && !kept.has(keyOf(entry)))
      .map((entry) => ({ event: deletedEvent(entry), action: 'deleted', before: entry }));
  }

  async #write(
    changes: readonly Change[],
    unchanged: readonly DocumentResult[],
    warnings: readonly Finding[],
    options: WriteOptions,
  ): Promise<WriteAnswer> {
    const findings = [...warnings, ...changes.flatMap((change) => dirWarning(change, options.caller))];
    const dryRun = options.dryRun === true;
    const resultOf = (change: Change, offset: number): DocumentResult => ({
      document: change.event.document,
      action: change.action,
      offset,
    });
    if (dryRun) {
      const verdict = this.#located(changes, [
        ...this.#expectations(changes),
        ...this.#options.dryRun(changes.map(toRaw)),
      ]);
      const rejected = verdict.some((finding) => finding.severity === 'error');
      return {
        result: rejected ? 'rejected' : 'applied',
        offsets: [],
        events: [],
        findings: [...findings, ...verdict],
        results: [...changes.map((change) => resultOf(change, change.before?.offset ?? 0)), ...unchanged],
        dryRun,
      };
    }
    if (changes.length === 0)
      return { result: 'applied', offsets: [], events: [], findings, results: unchanged, dryRun };
    const answer = await this.#options.ingest.submit({
      events: changes.map((change) => ({
        ...toRaw(change),
        ...(options.reason === undefined ? {} : { reason: options.reason }),
      })),
      caller: options.caller,
      ...(options.wait === undefined ? {} : { wait: options.wait }),
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      place: (index) => changes[index]?.place ?? {},
      ...(options.observe === undefined ? {} : { observe: options.observe }),
    });
    const results = changes.map((change, index) => resultOf(change, answer.offsets[index] ?? 0));
    return { ...answer, findings: [...findings, ...answer.findings], results: [...results, ...unchanged], dryRun };
  }

  #located(changes: readonly Change[], findings: readonly Finding[]): readonly Finding[] {
    return findings.map((finding) =>
      placeFinding(finding, changes.find(({ event }) => event.document === finding.document)?.place),
    );
  }

  /** What the fold would say to `expect`. */
  #expectations(changes: readonly Change[]): readonly Finding[] {
    return changes.flatMap(({ event, expect, before }): readonly Finding[] => {
      if (expect === undefined) return [];
      const [kind = '', namespace = '', name = ''] = event.document.split('/');
      const offset = before?.offset ?? this.#options.state.subjectOffset(policySubject(kind, namespace, name));
      if (offset === expect) return [];
      return [
        {
          code: 'expect',
          severity: 'error',
          message: `${event.document} is at offset ${offset}, not ${expect}`,
          document: event.document,
        },
      ];
    });
  }
}
