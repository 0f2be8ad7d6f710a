/** What the core and the process of the scrub say to each other. */

export type ScrubPart = 'log' | 'state' | 'ledger' | 'audit';

export interface ScrubJob {
  /** Data directory. */
  readonly dir: string;
  readonly mesh: string;
  /** Most bytes a second. */
  readonly bytesPerSecond: number;
}

export interface ScrubFinding {
  readonly part: ScrubPart;
  readonly code: string;
  /** Table and key, offset, entry, or step. */
  readonly where: string;
  readonly message: string;
  readonly remedy: string;
}

/** Core to scrub. */
export type ToScrub = { readonly t: 'pause'; readonly on: boolean };

/** Scrub to core. */
export type FromScrub =
  | {
      readonly t: 'progress';
      readonly part: ScrubPart;
      readonly table: string;
      readonly records: number;
      readonly bytes: number;
    }
  | { readonly t: 'finding'; readonly finding: ScrubFinding }
  /** `records` and `bytes` of the whole pass. */
  | { readonly t: 'end'; readonly records: number; readonly bytes: number };
