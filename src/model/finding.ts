/**
 * Findings: the one shape of every error and warning about input, everywhere (CLI, API, plan; policies.md section 1).
 */
export interface Finding {
  /** Stable code, `E…` error or `W…` warning; the table is in docs/errors.md. */
  readonly code: string;
  readonly severity: 'error' | 'warning';
  /** What is wrong, the value found, what is allowed: one sentence. */
  readonly message: string;
  /** `Kind/namespace/name` of the document. */
  readonly document?: string;
  /** RFC 6901 pointer into the document or request. */
  readonly pointer?: string;
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** 1-based. */
  readonly column?: number;
  readonly related?: readonly { readonly document: string; readonly pointer?: string }[];
  /** A command or action that helps. */
  readonly hint?: string;
}

/** Thrown at module boundaries: one class, a stable code, findings where there are several. */
export class TendrilError extends Error {
  override readonly name = 'TendrilError';
  /** Stable code (docs/errors.md), e.g. `LOG_LOCKED`, `DISK_FULL`, `E110`. */
  readonly code: string;
  /** What the reader can do about it. */
  readonly remedy: string | undefined;
  readonly findings: readonly Finding[];

  constructor(
    code: string,
    message: string,
    options: { readonly remedy?: string; readonly findings?: readonly Finding[]; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
    this.findings = options.findings ?? [];
  }
}
