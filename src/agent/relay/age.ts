/** How old a last good configuration is: what is recorded of it, and how it is said. */

/** Of the copy of one node; Unix time, ms. */
export interface CopyTimes {
  /** An Envoy of this node was connected. */
  readonly seenAt: number;
  /** A control plane stood behind it for the last time; undefined: not known. */
  readonly confirmedAt: number | undefined;
}

const NEVER = -1;

/** Two doubles, little-endian. */
export const encodeTimes = ({ seenAt, confirmedAt = NEVER }: CopyTimes): Buffer => {
  const out = Buffer.alloc(16);
  out.writeDoubleLE(seenAt, 0);
  out.writeDoubleLE(confirmedAt, 8);
  return out;
};

/** Undefined: it is none of ours. */
export const decodeTimes = (body: Buffer): CopyTimes | undefined => {
  if (body.length !== 16) return undefined;
  const confirmedAt = body.readDoubleLE(8);
  return { seenAt: body.readDoubleLE(0), confirmedAt: confirmedAt === NEVER ? undefined : confirmedAt };
};

/** A clock that was set back gives 0. */
export const ageOf = (confirmedAt: number | undefined, now: number): number | undefined =>
  confirmedAt === undefined ? undefined : Math.max(0, now - confirmedAt);

const UNITS = [
  [86_400_000, 'days'],
  [3_600_000, 'h'],
  [60_000, 'min'],
] as const;

/** `of 3 min ago`; two of a unit at least, so that nothing is called an hour that is nearly two. */
export const agoText = (ageMs: number | undefined): string => {
  if (ageMs === undefined) return 'of unknown age';
  const unit = UNITS.find(([ms]) => ageMs >= 2 * ms);
  return unit === undefined
    ? `of ${Math.floor(ageMs / 1_000)} s ago`
    : `of ${Math.floor(ageMs / unit[0])} ${unit[1]} ago`;
};
