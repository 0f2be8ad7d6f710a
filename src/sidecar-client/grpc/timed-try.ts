/**
 * The time-outs of a try that grpc-js does not have: `retry.timeout`, from the end of the request to the head of the answer, and `idleTimeout`,
 * while no message moves. A try that is over time ends with a status of our own, so that a `DEADLINE_EXCEEDED` of the service is not taken for
 * it by the retry rules; the filter makes `DEADLINE_EXCEEDED` of it for the application. Invariants:
 *  1. After the end of the try no timer of it runs.
 *  2. A try whose head has come is not ended by `retry.timeout`; one that moves is not ended by `idleTimeout`.
 */
import { type experimental, type Metadata, type StatusObject, status } from '@grpc/grpc-js';

/** No status of gRPC: a try over its `retry.timeout`, and a call over its `idleTimeout`. */
export const TRY_OVER = 1_004;
export const IDLE_OVER = 1_005;

type Subchannel = experimental.SubchannelInterface;
type Real = ReturnType<Subchannel['getRealSubchannel']>;
type CreateCall = Real['createCall'];

/** Ms; 0: none. */
export interface TryTimes {
  readonly tryMs: number;
  readonly idleMs: number;
}

/** The same subchannel for one try. */
export const timedSubchannel = (subchannel: Subchannel, { tryMs, idleMs }: TryTimes): Subchannel => {
  if (tryMs === 0 && idleMs === 0) return subchannel;
  const createCall: CreateCall = (metadata, host, method, listener, callId) => {
    let trying: NodeJS.Timeout | undefined;
    let idle: NodeJS.Timeout | undefined;
    const end = (code: number, details: string) => (): void => call.cancelWithStatus(code as status, details);
    const call = subchannel.getRealSubchannel().createCall(
      metadata,
      host,
      method,
      {
        onReceiveMetadata: (head: Metadata) => {
          clearTimeout(trying);
          idle?.refresh();
          listener.onReceiveMetadata(head);
        },
        onReceiveMessage: (message: Buffer) => {
          idle?.refresh();
          listener.onReceiveMessage(message);
        },
        onReceiveStatus: (over: StatusObject) => {
          clearTimeout(trying);
          clearTimeout(idle);
          listener.onReceiveStatus(over);
        },
      },
      callId,
    );
    if (idleMs > 0) idle = setTimeout(end(IDLE_OVER, `idleTimeout: nothing for ${idleMs} ms`), idleMs);
    const { halfClose, sendMessageWithContext } = call;
    call.sendMessageWithContext = (context, message) => {
      idle?.refresh();
      sendMessageWithContext.call(call, context, message);
    };
    call.halfClose = () => {
      if (tryMs > 0) trying = setTimeout(end(TRY_OVER, `retry.timeout: no answer within ${tryMs} ms`), tryMs);
      halfClose.call(call);
    };
    return call;
  };
  return Object.create(subchannel, {
    getRealSubchannel: {
      value: () => Object.create(subchannel.getRealSubchannel(), { createCall: { value: createCall } }),
    },
  });
};

/** For the application a call over time has no other status than one over its deadline. */
export const timedFilter: experimental.FilterFactory<experimental.Filter> = {
  createFilter: () => ({
    sendMetadata: (metadata) => metadata,
    receiveMetadata: (metadata) => metadata,
    sendMessage: (message) => message,
    receiveMessage: (message) => message,
    receiveTrailers: (over) =>
      (over.code as number) === TRY_OVER || (over.code as number) === IDLE_OVER
        ? { ...over, code: status.DEADLINE_EXCEEDED }
        : over,
  }),
};
