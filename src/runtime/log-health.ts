/** The log in `/healthz` and `/readyz`. */
import type { HealthPart } from '../admin/index.ts';
import type { OpenedLog } from '../log/index.ts';

const STATUS = { live: 'ok', 'catching-up': 'degraded', away: 'degraded', broken: 'failed' } as const;

/** Of a log that others hold: what is wrong with the contact, and how far this replica is behind. */
const contactOf = ({ condition }: OpenedLog): Partial<HealthPart> => {
  const { state, code, message, remedy, sinceMs, behind, warnings } = condition;
  const catchingUp =
    state === 'catching-up' ? { code: 'LOG_CATCHING_UP', message: 'events of the log are being fetched' } : {};
  return {
    state,
    ...catchingUp,
    ...(code === undefined ? {} : { code }),
    ...(message === undefined ? {} : { message }),
    ...(remedy === undefined ? {} : { remedy }),
    ...(sinceMs === undefined ? {} : { since: new Date(sinceMs).toISOString() }),
    ...(behind === undefined ? {} : { behind }),
    ...(warnings === undefined ? {} : { warnings }),
  };
};

export const logHealth = (log: OpenedLog): HealthPart => {
  const { failure, kind, condition } = log;
  const { offset } = log.head();
  if (failure === undefined)
    return { name: 'log', status: STATUS[condition.state], offset, kind, ...(kind === 'kafka' ? contactOf(log) : {}) };
  return {
    name: 'log',
    status: 'failed',
    // As writers get it.
    code: 'LOG_READ_ONLY',
    message: failure.message,
    ...(failure.remedy === undefined ? {} : { remedy: failure.remedy }),
  };
};

/**
 * Why the log keeps the process from being ready. A log that is away does not: what is here is served. One that has ended for good does:
 * sidecars that are here stay, and others are to go where the state moves on.
 */
export const logNotReady = ({ condition }: OpenedLog): readonly string[] => {
  const { state, atStart, behind = 0, message } = condition;
  if (state === 'broken') return [`the log has ended here: ${message ?? 'no reason given'}`];
  return state === 'catching-up' && atStart === true ? [`the log is being fetched (${behind} events are missing)`] : [];
};
