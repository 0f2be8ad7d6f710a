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

/** Tells the stream to end. */
export const refuse = (s: Bounded, code: number, message: string, out: Effect[]): void => {
  s.closed = true;
  s.counters.overLimit++;
  out.push({ kind: 'close', code, message });
};

/**
 * True when a request is within bounds; else the stream has been told to end. `names`: those it asks for. `count`: all names that the
 * stream would then have asked for, and of the request by itself.
 */
export const withinBounds = (
  s: Bounded,
  type: ResourceType,
  names: readonly string[],
  count: { readonly request: number; readonly stream: number },
  out: Effect[],
): boolean => {
  const { limits } = s;
  if (!s.channels.has(type) && s.channels.size >= limits.typesPerStream) {
    s.counters.tooManyTypes++;
    refuse(s, STATUS.RESOURCE_EXHAUSTED, `more than ${limits.typesPerStream} resource types on one stream`, out);
    return false;
  }
  if (count.request > limits.namesPerRequest) {
    // Who may hold everything names everything when it reconnects.
    const allowed = Math.max(limits.namesPerRequest, 2 * s.view.mayHold());
    if (count.request > allowed) {
      s.counters.tooManyNames++;
      refuse(s, STATUS.RESOURCE_EXHAUSTED, `${count.request} names in one request; allowed: ${allowed}`, out);
      return false;
    }
  }
  for (const name of names) {
    // A character has at most three bytes here.
    if (name.length * 3 <= limits.nameBytes) continue;
    const bytes = Buffer.byteLength(name);
    if (bytes <= limits.nameBytes) continue;
    s.counters.namesTooLong++;
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
