/** Port of the audit: takes what was written or refused, gives pages of it. */

/** An event on its way into the log, as far as the audit tells it. */
export interface ObservedEvent {
  readonly type: string;
  readonly subject: string;
  readonly source: string;
  readonly reason?: string;
}

/** A write request and what became of it. */
export interface AuditedRequest {
  readonly who: string;
  /** `address:port` of the connection. */
  readonly from: string;
  readonly result: 'accepted' | 'refused';
  readonly method: string;
  /** Address without its query. */
  readonly target: string;
  readonly status: number;
  readonly code?: string;
  readonly message?: string;
  readonly types?: Readonly<Record<string, number>>;
  readonly subjects?: readonly string[];
  /** Of the events, where they are not just `who`. */
  readonly sources?: readonly string[];
  /** Number of events. */
  readonly events?: number;
  /** In the log, also of what the fold rejected. */
  readonly offsets?: readonly number[];
  readonly statuses?: Readonly<Record<string, number>>;
  readonly reason?: string;
  readonly request: string;
}

export interface AuditQueryView {
  readonly from?: number | undefined;
  readonly who?: string | undefined;
  readonly code?: string | undefined;
  readonly refused?: boolean | undefined;
  /** ms since the epoch. */
  readonly since?: number | undefined;
  readonly limit: number;
}

export interface AuditPageView {
  readonly entries: readonly object[];
  readonly next: number | undefined;
  readonly complete: boolean;
}

export interface AuditPort {
  /** Must not throw and must not wait. */
  record(request: AuditedRequest): void;
  page(query: AuditQueryView): Promise<AuditPageView>;
}
