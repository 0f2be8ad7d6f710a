/** Bounds on what one stream may ask for; both forms of xDS. At a bound the stream ends with a sentence, and is counted. */
import type { Effect } from './effect.ts';
import type { SessionCounters, SessionLimits } from './limits.ts';
import type { NodeView } from './resource-source.ts';
import type { ResourceType } from './resource-type.ts';
import { STATUS } from './status.ts';

interface Bounded {
  closed: boolean;
  readonly limits: SessionLimits;
  readonly counters: SessionCounters;
  readonly channels: ReadonlyMap<ResourceType, unknown>;
  readonly view: Pick<NodeView, 'mayHold'>;
}

/** Questions that may wait for their answer while one of them is too long a name. */
const LONG_NAMES = 64;

export const isTooLong = (name: string, { nameBytes }: Pick<SessionLimits, 'nameBytes'>): boolean =>
  // A character has at most three bytes here.
  name.length * 3 > nameBytes && Buffer.byteLength(name) > nameBytes;

/** Tells the stream to end. */
export const refuse = (s: Bounded, code: number, message: string, out: Effect[]): void => {
  s.closed = true;
  s.counters.overLimit++;
  out.push({ kind: 'close', code, message });
};

/**
 * True when a request is within bounds; else the stream has been told to end. `names`: those it asks for. `count`: all names that the
 * stream would then have asked for, and of the request by itself; questions that wait for an answer.
 */
export const withinBounds = (
  s: Bounded,
  type: ResourceType,
  names: readonly string[],
  count: { readonly request: number; readonly stream: number; readonly waiting?: number },
  out: Effect[],
): boolean => {
  const { limits } = s;
  if (!s.channels.has(type) && s.channels.size >= limits.typesPerStream) {
    s.counters.tooManyTypes++;
    refuse(s, STATUS.RESOURCE_EXHAUSTED, `more than ${limits.typesPerStream} resource types on one stream`, out);
    return false;
  }
  if (count.request > limits.namesPerRequest) {
    // Who may hold everything names everything when it reconnects; and every host that its application has ever tried.
    const tried = type === 'vhds' && !s.channels.has(type) ? limits.namesPerStream : 0;
    const allowed = Math.max(limits.namesPerRequest, 2 * s.view.mayHold(), tried);
    if (count.request > allowed) {
      s.counters.tooManyNames++;
      refuse(s, STATUS.RESOURCE_EXHAUSTED, `${count.request} names in one request; allowed: ${allowed}`, out);
      return false;
    }
  }
  // A host is what an application wrote: too long a one is answered as unknown, unless too many of them wait for that.
  const mayBeLong = type === 'vhds' && (count.waiting ?? 0) <= LONG_NAMES;
  for (const name of names) {
    if (mayBeLong) break;
    if (!isTooLong(name, limits)) continue;
    s.counters.namesTooLong++;
    const bytes = Buffer.byteLength(name);
    refuse(s, STATUS.INVALID_ARGUMENT, `a resource name has ${bytes} bytes; allowed: ${limits.nameBytes}`, out);
    return false;
  }
  if (count.stream > limits.namesPerStream) {
    s.counters.tooManyAsked++;
    refuse(
      s,
      STATUS.RESOURCE_EXHAUSTED,
      `${count.stream} names asked for on one stream; allowed: ${limits.namesPerStream}`,
      out,
    );
    return false;
  }
  return true;
};
