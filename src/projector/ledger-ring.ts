/** Steps of the delivery of one resource to one node: the latest eight, oldest first. */
import type { DeliveryGroup, LedgerRow } from './types.ts';

export const RING_STEPS = 8;

/** What the key does not say. `at`: ms since the epoch. */
export type LedgerStep = Pick<DeliveryGroup, 'event' | 'version' | 'bytes' | 'offset' | 'at' | 'message'>;

const EVENTS: readonly DeliveryGroup['event'][] = ['sent', 'acked', 'rejected', 'removed'];

type Packed = [event: number, version: string, bytes: number, offset: number, at: number, message?: string];

export const stepOf = ({ event, version, bytes, offset, message }: DeliveryGroup, at: number): LedgerStep => {
  return { event, version, bytes, offset, at, ...(message === undefined ? {} : { message }) };
};

export const encodeRing = (steps: readonly LedgerStep[]): Buffer => {
  const packed = steps.map(({ event, version, bytes, offset, at, message }): Packed => {
    const code = EVENTS.indexOf(event);
    return message === undefined ? [code, version, bytes, offset, at] : [code, version, bytes, offset, at, message];
  });
  return Buffer.from(JSON.stringify(packed));
};

export const decodeRing = (body: Buffer): LedgerStep[] =>
  (JSON.parse(body.toString('utf8', 0, body.length)) as readonly Packed[]).map(
    ([code, version, bytes, offset, at, message]) => ({
      event: EVENTS[code] ?? 'sent',
      version,
      bytes,
      offset,
      at,
      ...(message === undefined ? {} : { message }),
    }),
  );

const isSame = (a: LedgerStep, b: LedgerStep): boolean =>
  a.at === b.at && a.event === b.event && a.version === b.version && a.offset === b.offset;

/**
 * With the new steps, without those at the bound or from before `horizon` (ms since the epoch); of these the last one stays before others,
 * as it says what the node held when the time began that the ledger tells of.
 */
export const extendRing = (
  steps: readonly LedgerStep[],
  added: readonly LedgerStep[],
  horizon: number,
): readonly LedgerStep[] => {
  // What is being written may be in both.
  const fresh = steps.length === 0 ? added : added.filter((step) => !steps.some((known) => isSame(known, step)));
  const all = [...steps, ...fresh];
  const first = all.findIndex((step) => step.at >= horizon);
  return first < 0 ? [] : all.slice(Math.max(0, first - 1)).slice(-RING_STEPS);
};

/** The steps up to a moment (ms since the epoch); undefined: those of then may have been pushed out by later ones. */
export const stepsUpTo = (steps: readonly LedgerStep[], at: number): readonly LedgerStep[] | undefined => {
  const then = steps.filter((step) => step.at <= at);
  return then.length === 0 && steps.length >= RING_STEPS ? undefined : then;
};

const STATES = { sent: 'sent', acked: 'acked', rejected: 'refused', removed: 'removed' } as const;

/** What the steps come to; undefined when there are none. */
export const rowOf = (type: string, name: string, steps: readonly LedgerStep[]): LedgerRow | undefined => {
  const last = steps.at(-1);
  if (last === undefined) return undefined;
  const sent = steps.findLast((step) => step.event === 'sent');
  const acked = steps.findLast((step) => step.event === 'acked');
  return {
    type,
    name,
    version: last.version,
    state: STATES[last.event],
    ...(sent === undefined ? {} : { bytes: sent.bytes, offset: sent.offset, sentAt: sent.at }),
    ...(acked === undefined ? {} : { ackedAt: acked.at }),
    ...(last.event === 'rejected' && last.message !== undefined ? { error: last.message } : {}),
  };
};
