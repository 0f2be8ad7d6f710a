/** Server-sent events: what their streams have in common. A reader that takes nothing is left behind, it costs no memory. */
import type { ServerResponse } from 'node:http';
import { refusal } from './problem.ts';

export const HEARTBEAT_MS = 15_000;
/** How long a reader may take nothing before its stream ends. */
export const STALL_MS = 60_000;

/** The offset behind which a client wants to go on. Throws E102. */
export const lastEventId = (header: string | readonly string[] | undefined): number | undefined => {
  if (header === undefined) return undefined;
  const text = String(header).trim();
  if (!/^[0-9]{1,15}$/.test(text))
    throw refusal('E102', `Last-Event-ID is "${text.slice(0, 80)}"; allowed is an offset`);
  return Number(text);
};

export const beginStream = (response: ServerResponse): void => {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
};

/** True once the socket has taken what was written; false when the reader is gone or too slow. */
const drained = (response: ServerResponse, signal: AbortSignal, stallMs: number): Promise<boolean> =>
  new Promise((resolve) => {
    const finish = (taken: boolean): void => {
      clearTimeout(timer);
      response.off('drain', onDrain);
      signal.removeEventListener('abort', onEnd);
      resolve(taken);
    };
    const onDrain = (): void => finish(true);
    const onEnd = (): void => finish(false);
    const timer = setTimeout(onEnd, stallMs);
    response.once('drain', onDrain);
    signal.addEventListener('abort', onEnd, { once: true });
  });

/** Writes, and waits until the socket has taken it. False: the reader is gone or too slow. */
export const writeEvents = async (
  response: ServerResponse,
  text: string | Uint8Array,
  signal: AbortSignal,
  stallMs: number = STALL_MS,
): Promise<boolean> => {
  if (signal.aborted || response.destroyed) return false;
  return response.write(text) || drained(response, signal, stallMs);
};
