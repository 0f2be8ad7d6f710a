/**
 * A handler for a call that another dispatcher carries out: all but `onConnect`, which the caller has heard already. `onEnd` is called
 * once the call is over.
 */
import type { Dispatcher } from 'undici';

export const handedOn = (
  handler: Dispatcher.DispatchHandlers,
  onConnect: (abort: (error?: Error) => void) => void,
  onEnd: () => void,
): Dispatcher.DispatchHandlers => ({
  onConnect,
  onHeaders: (status, headers, resume, text) => handler.onHeaders?.(status, headers, resume, text) ?? true,
  onData: (chunk) => handler.onData?.(chunk) ?? true,
  onComplete: (trailers) => {
    onEnd();
    handler.onComplete?.(trailers);
  },
  onError: (error) => {
    onEnd();
    handler.onError?.(error);
  },
  onUpgrade: (status, headers, socket) => {
    onEnd();
    handler.onUpgrade?.(status, headers, socket);
  },
});
