/**
 * Contact with the topic, as a state machine: `contactAfter(contact, event)`. Pure.
 *
 * Invariants
 * A1 `broken` is final: no event leads out of it. Only a start after a recovery does.
 * A2 `live` is entered only when the mirror has reached the end that the topic had when the contact was made.
 * A3 `away` keeps the time and `sinceMs` of its first failure however often the attempts fail; its message is the latest.
 * A4 `atStart` is true until the first `live` or `away`, and never again.
 * A5 `behind` is never negative.
 */
import type { TendrilError } from '../../model/index.ts';
import type { LogCondition } from '../log-condition.ts';

export interface Contact {
  readonly state: LogCondition['state'];
  readonly sinceMs: number;
  readonly atStart: boolean;
  /** Offset that the mirror must have to be complete (A2). */
  readonly goal: number;
  /** Last offset of the mirror, and of the topic as far as known. */
  readonly head: number;
  readonly end: number;
  readonly why: { readonly code: string; readonly message: string; readonly remedy?: string } | undefined;
}

export type ContactEvent =
  | { readonly what: 'connected'; readonly atMs: number; readonly end: number }
  | { readonly what: 'progress'; readonly head: number; readonly end: number }
  | { readonly what: 'failed'; readonly atMs: number; readonly message: string }
  | { readonly what: 'broken'; readonly atMs: number; readonly error: TendrilError };

export const firstContact = (atMs: number, head: number): Contact => ({
  state: 'catching-up',
  sinceMs: atMs,
  atStart: true,
  goal: Number.POSITIVE_INFINITY,
  head,
  end: head,
  why: undefined,
});

export const AWAY_REMEDY =
  'look at the brokers; serving goes on with what is here, and contact is made again by itself';

export const contactAfter = (contact: Contact, event: ContactEvent): Contact => {
  if (contact.state === 'broken') return contact;
  switch (event.what) {
    case 'connected': {
      const next = { ...contact, state: 'catching-up' as const, sinceMs: event.atMs, goal: event.end, end: event.end };
      return complete({ ...next, why: undefined });
    }
    case 'progress':
      return complete({ ...contact, head: event.head, end: Math.max(event.head, event.end) });
    case 'failed': {
      const why = { code: 'LOG_AWAY', message: event.message, remedy: AWAY_REMEDY };
      const sinceMs = contact.state === 'away' ? contact.sinceMs : event.atMs;
      return { ...contact, state: 'away', sinceMs, atStart: false, goal: Number.POSITIVE_INFINITY, why };
    }
    case 'broken': {
      const { code, message, remedy } = event.error;
      const why = { code, message, ...(remedy === undefined ? {} : { remedy }) };
      return { ...contact, state: 'broken', sinceMs: event.atMs, why };
    }
  }
};

/** A2 */
const complete = (contact: Contact): Contact =>
  contact.state === 'catching-up' && contact.head >= contact.goal
    ? { ...contact, state: 'live', atStart: false }
    : contact;

export const conditionOf = (contact: Contact, warnings: readonly string[]): LogCondition => {
  const { state, sinceMs, why, atStart, head, end } = contact;
  return {
    state,
    ...(why ?? {}),
    ...(state === 'live' ? {} : { sinceMs }),
    behind: Math.max(0, end - head),
    ...(state === 'catching-up' ? { atStart } : {}),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
};
