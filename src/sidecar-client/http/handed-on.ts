/** A handler for a call that another dispatcher carries out: all but `onConnect`, which the caller has heard already. */
import type { Dispatcher } from 'undici';

export const handedOn = (
  handler: Dispatcher.DispatchHandlers,
  onConnect: (abort: (error?: Error) => void) => void,
): Dispatcher.DispatchHandlers => ({
  onConnect,
  onHeaders: (status, headers, resume, text) => handler.onHeaders?.(status, headers, resume, text) ?? true,
  onData: (chunk) => handler.onData?.(chunk) ?? true,
  onComplete: (trailers) => handler.onComplete?.(trailers),
  onError: (error) => handler.onError?.(error),
  onUpgrade: (status, headers, socket) => handler.onUpgrade?.(status, headers, socket),
});
