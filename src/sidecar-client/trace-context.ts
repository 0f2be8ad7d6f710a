/** W3C Trace Context (level 1): kept where it is there and valid, made where it is absent. Pure: randomness by argument. */

/** `traceparent`: version, trace id, parent id, flags. Version ff is forbidden; later versions may have more behind the flags. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:$|-)/;

export const isTraceparent = (value: string): boolean =>
  TRACEPARENT.test(value) && (!value.startsWith('00') || value.length === 55);

/** Never all zeros, which the specification calls invalid. */
const hexId = (bytes: number, random: () => number): string => {
  let text = '';
  for (let index = 0; index < bytes; index++)
    text += Math.floor(random() * 256)
      .toString(16)
      .padStart(2, '0');
  return /^0+$/.test(text) ? `${text.slice(1)}1` : text;
};

/** `sampled`: the flag that asks those called to record. */
export const newTraceparent = (random: () => number, sampled: boolean): string =>
  `00-${hexId(16, random)}-${hexId(8, random)}-${sampled ? '01' : '00'}`;

export interface TraceRules {
  /** [0, 1). */
  readonly random: () => number;
  /** Share of the traces begun here that are marked as sampled, 0..1. */
  readonly sampledShare: number;
}

/**
 * What to change in a request's headers: undefined: nothing, the context is kept as it is. Else `traceparent` is to be set, and a
 * `tracestate`, which has no meaning without its `traceparent`, to be removed.
 */
export const startTrace = (
  traceparent: string | undefined,
  { random, sampledShare }: TraceRules,
): string | undefined =>
  traceparent !== undefined && isTraceparent(traceparent) ? undefined : newTraceparent(random, random() < sampledShare);
