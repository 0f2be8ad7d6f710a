/** A message of a client as a request in the form of its method. */
import { TendrilError } from '../model/index.ts';
import { decodeDeltaRequest, decodeStateRequest, type WireLimits } from '../proto/index.ts';
import type { XdsMethod } from './methods.ts';
import type { XdsRequest } from './stream-session.ts';

/** @throws TendrilError `XDS_MALFORMED` (no valid message, or of another type than its method), `XDS_LIMIT`. */
export const readRequest = (message: Uint8Array, method: XdsMethod, limits: WireLimits): XdsRequest => {
  const request =
    method.protocol === 'delta' ? decodeDeltaRequest(message, limits) : decodeStateRequest(message, limits);
  const { typeUrl } = method;
  if (typeUrl === undefined || request.typeUrl === typeUrl) return request;
  // Checklist 55: a method of one type needs no type_url.
  if (request.typeUrl === '') return { ...request, typeUrl };
  throw new TendrilError('XDS_MALFORMED', `${method.path} serves ${typeUrl} only, not ${request.typeUrl}`);
};
