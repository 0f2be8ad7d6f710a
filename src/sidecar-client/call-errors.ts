/** Why a call has no answer: the codes are in docs/errors.md. */
import { TendrilError } from '../model/basics.ts';
import type { PickRefusal } from './calls/index.ts';

export const unknownHost = (authority: string): TendrilError =>
  new TendrilError('CALL_UNKNOWN_HOST', `${authority}: no service of the mesh that this caller may use`, {
    remedy:
      'check name, namespace and port; for hosts outside the mesh set passthrough, or call them without this client',
  });

export const noRoute = (authority: string, path: string): TendrilError =>
  new TendrilError('CALL_NO_ROUTE', `${authority}: no route takes ${path}`, {
    remedy:
      'a Route of the service answers or redirects this request itself, or takes no such request: see tendril route',
  });

export const refused = (cluster: string, refusal: PickRefusal): TendrilError =>
  refusal === 'overflow'
    ? overflow(`${cluster}: limits.requests calls are running`)
    : new TendrilError(
        'CALL_NO_ENDPOINT',
        refusal === 'no-cluster' ? `${cluster}: not held` : `${cluster}: no endpoint that may be used`,
        { remedy: 'check that the service has endpoints and that they are healthy: tendril get services' },
      );

export const overflow = (what: string): TendrilError =>
  new TendrilError('CALL_OVERFLOW', what, {
    remedy: 'call less at a time, or raise limits of the Upstream that is named in the documents of this service',
  });

export const timedOut = (what: string, ms: number): TendrilError =>
  new TendrilError('CALL_TIMEOUT', `${what}: nothing for ${ms} ms`, {
    remedy: 'see why the service is slow, or raise timeout, retry.timeout or idleTimeout of its Route',
  });

export const failedCall = (cluster: string, endpoint: string, cause: Error): TendrilError =>
  new TendrilError('CALL_FAILED', `${cluster}: ${endpoint} ${cause.message || cause.name}`, {
    remedy: 'see the log of that endpoint; retry.when of the Route says which failures are tried again',
    cause,
  });

export const wrongProtocol = (cluster: string): TendrilError =>
  new TendrilError('CALL_PROTOCOL', `${cluster}: CONNECT or an upgrade, which this client does not do over HTTP/2`, {
    remedy: 'give the port protocol http if it speaks HTTP/1.1, or call it without this client',
  });
