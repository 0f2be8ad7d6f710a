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

/** With the new steps, without those at the bound or from before `horizon` (ms since the epoch). */
export const extendRing = (
  steps: readonly LedgerStep[],
  added: readonly LedgerStep[],
  horizon: number,
): readonly LedgerStep[] => [...steps, ...added].filter((step) => step.at >= horizon).slice(-RING_STEPS);

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
