/** Why a resource cannot be used by the core of calls. */
import { TendrilError } from '../../model/basics.ts';

/** Thrown while decoding; `place` is the protobuf field. */
export const unusable = (place: string, what: string): TendrilError =>
  new TendrilError('CALLS_UNUSABLE', `${place}: ${what}`, {
    remedy:
      'leave that field out for services that are called by applications with the client library; docs/calls.md says what it takes',
  });
