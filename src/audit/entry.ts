/**
 * One entry of the audit: who wrote, or tried to write, from where, when, what, why, and what became of it.
 *
 * Bounds of an entry: 10 subjects, 10 sources, 20 types, 100 ranges of offsets (what is left out is counted or marked), texts of 512
 * characters. It is at most about 12 KiB, mostly 400 bytes.
 */

/** Offsets `first` to `last`, both included. */
export type OffsetRange = readonly [first: number, last: number];

/** What an entry says of a write. */
export interface AuditedWrite {
  /** Caller, or source of Tendril's own writers. */
  readonly who: string;
  /** `address:port` of the connection; `dir`, `worker` or `core` for what comes from inside. */
  readonly from: string;
  readonly result: 'accepted' | 'refused';
  readonly method?: string;
  /** Address of the request without its query. */
  readonly target?: string;
  /** HTTP status of the answer. */
  readonly status?: number;
  /** Of the refusal. */
  readonly code?: string;
  readonly message?: string;
  /** Events by type. */
  readonly types?: Readonly<Record<string, number>>;
  readonly subjects?: readonly string[];
  /** Sources of the events, where they are not just `who`. */
  readonly sources?: readonly string[];
  /** Number of events, also of those that were refused before they had an offset. */
  readonly events?: number;
  /** Where they stand in the event log, also those that the fold rejected. */
  readonly offsets?: readonly OffsetRange[];
  /** Events by what the fold decided. */
  readonly statuses?: Readonly<Record<string, number>>;
  /** The author's word. */
  readonly reason?: string;
  /** Id of the request, as in answers and in the process log. */
  readonly request?: string;
}

/** What the audit says of itself. */
export type AuditNote =
  /** A core was started. `cut`: bytes of an unfinished last line that were removed; `missing`: entries that had been written and are gone. */
  | { readonly kind: 'opened'; readonly version: string; readonly cut?: number; readonly missing?: OffsetRange }
  /** Refused writes beyond the rate that is kept one by one. */
  | { readonly kind: 'more'; readonly from: string; readonly code: string; readonly count: number }
  /** Entries that could not be kept: the disk was full or failed, and the queue too. */
  | { readonly kind: 'dropped'; readonly count: number }
  /** Entries up to `through` were removed by age or size; `chain` is the chain there. */
  | { readonly kind: 'pruned'; readonly through: number; readonly chain: string };

/** Chain value of the event log at an offset: binds both chains. */
export interface LogAnchor {
  readonly offset: number;
  /** Hexadecimal. */
  readonly chain: string;
}

export type AuditBody = ({ readonly kind: 'write' } & AuditedWrite) | AuditNote;

/** As it is stored and read. */
export type AuditEntry = AuditBody & {
  /** 1, 2, 3, … without gaps. */
  readonly seq: number;
  /** RFC 3339. */
  readonly time: string;
  readonly log?: LogAnchor;
};

/** A body with its number and time. */
export const timed = (body: AuditBody, seq: number, at: number, log: LogAnchor | undefined): AuditEntry => ({
  seq,
  time: new Date(at).toISOString(),
  ...body,
  ...(log === undefined ? {} : { log }),
});

const MAX_TEXT = 512;
const MAX_NAMES = 10;
const MAX_TYPES = 20;
export const MAX_RANGES = 100;

const short = (text: string): string => (text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`);

const few = (names: readonly string[], most = MAX_NAMES): readonly string[] => {
  const kept = names.slice(0, most).map(short);
  return names.length > most ? [...kept, `… ${names.length - most} more`] : kept;
};

const fewCounts = (counts: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(counts)
      .slice(0, MAX_TYPES)
      .map(([name, count]) => [short(name), count]),
  );

/** Within the bounds above. */
export const bounded = (write: AuditedWrite): AuditedWrite => {
  const { target, message, reason, who, types, subjects, sources, offsets, ...rest } = write;
  return {
    ...rest,
    who: short(who),
    ...(target === undefined ? {} : { target: short(target) }),
    ...(message === undefined ? {} : { message: short(message) }),
    ...(reason === undefined ? {} : { reason: short(reason) }),
    ...(types === undefined ? {} : { types: fewCounts(types) }),
    ...(subjects === undefined ? {} : { subjects: few(subjects) }),
    ...(sources === undefined ? {} : { sources: few(sources) }),
    ...(offsets === undefined ? {} : { offsets: offsets.slice(0, MAX_RANGES) }),
  };
};

/** Ascending or not, offsets as ranges of neighbours. */
export const rangesOf = (offsets: readonly number[]): readonly OffsetRange[] => {
  const ranges: [number, number][] = [];
  for (const offset of offsets) {
    const last = ranges.at(-1);
    if (last !== undefined && offset === last[1] + 1) last[1] = offset;
    else ranges.push([offset, offset]);
  }
  return ranges;
};
