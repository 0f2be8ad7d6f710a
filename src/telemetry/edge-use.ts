/** Use of edges, as it is handed to the core. */

export interface EdgeUse {
  /** `<service>.<namespace>` */
  readonly from: string;
  /** Canonical service port. */
  readonly to: string;
  /** One of the nodes that used it. */
  readonly node: string;
  /** Requests and connections that ended since the last report, and how many of them failed; 0: it was only seen to be in use. */
  readonly requests: number;
  readonly errors: number;
  /** When it was last seen in use, wall clock, ms since the epoch. */
  readonly lastMs: number;
}

/** Each edge once. */
export interface UseReport {
  readonly uses: readonly EdgeUse[];
}
