/**
 * Events of a dump through the API of a server: in their order, each request of the original as one, the others in batches. What the
 * server has already (source and id) stays as it is, so it can be broken off and begun again. Preconditions are left out: they speak of
 * offsets of another log.
 */
import { parseLogLine, TendrilError } from '../model/index.ts';
import type { AdminClient } from './client.ts';

const BATCH = 200;

export interface SentLines {
  applied: number;
  duplicate: number;
  /** Rejected or not valid here, as they were there, perhaps. */
  refused: number;
  /** Families that only Tendril writes, and what is no event. */
  skipped: number;
}

type Sent = Readonly<Record<string, unknown>>;

interface Group {
  /** Of one request of the original. */
  readonly batch: string | undefined;
  readonly events: Sent[];
}

interface Answer {
  readonly events?: readonly { readonly status: string }[];
}

const FIELDS = ['id', 'type', 'source', 'time', 'reason', 'data'] as const;

const batchOf = (event: Sent): string | undefined => {
  const batch = event.batch as { readonly id?: unknown } | undefined;
  return typeof batch?.id === 'string' ? batch.id : undefined;
};

export const postLines = async (
  lines: AsyncIterable<string>,
  client: AdminClient,
  onProgress: (events: number) => void,
): Promise<SentLines> => {
  const sent: SentLines = { applied: 0, duplicate: 0, refused: 0, skipped: 0 };
  const send = async ({ batch, events }: Group): Promise<void> => {
    const answer = await post(client, events);
    if (answer === 'own') sent.skipped += events.length;
    else if (Array.isArray(answer)) for (const status of answer) count(sent, status);
    // One of them hinders all: those that belong together stay together.
    else if (batch === undefined && events.length > 1)
      for (const event of events) await send({ batch, events: [event] });
    else sent.refused += events.length;
  };
  let group: Group = { batch: undefined, events: [] };
  let number = 0;
  for await (const line of lines) {
    number++;
    if (line.trim() === '') continue;
    const { event } = parseLogLine(line, number);
    if (event === undefined) {
      sent.skipped++;
      continue;
    }
    const batch = batchOf(event);
    if (batch !== group.batch || (batch === undefined && group.events.length >= BATCH)) {
      if (group.events.length > 0) await send(group);
      group = { batch, events: [] };
    }
    group.events.push(
      Object.fromEntries(FIELDS.flatMap((name) => (event[name] === undefined ? [] : [[name, event[name]]]))),
    );
    onProgress(number);
  }
  if (group.events.length > 0) await send(group);
  return sent;
};

const count = (sent: SentLines, status: string): void => {
  if (status === 'applied') sent.applied++;
  else if (status === 'duplicate') sent.duplicate++;
  else sent.refused++;
};

/** Statuses; `own`: of a family that only Tendril writes; undefined: refused as a whole. */
const post = async (client: AdminClient, events: readonly Sent[]): Promise<readonly string[] | 'own' | undefined> => {
  for (;;) {
    try {
      const { status, body } = await client.request<Answer>('/v1/events', {
        method: 'POST',
        body: JSON.stringify({ events }),
        accept: [409],
      });
      return status === 409 ? undefined : (body.events ?? []).map((event) => event.status);
    } catch (error) {
      if (!(error instanceof TendrilError)) throw error;
      if (error.code === 'E108' && events.length === 1) return 'own';
      // What is not valid is refused; what is only too much just now is sent again.
      if (/^(E\d{3}|EVENT_TOO_LARGE)$/.test(error.code)) return undefined;
      if (!BUSY.has(error.code)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
};

const BUSY: ReadonlySet<string> = new Set(['INGEST_BUSY', 'PROJECTOR_BEHIND', 'LOG_BACKPRESSURE', 'STATE_BUSY']);
