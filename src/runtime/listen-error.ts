/** Why the xDS address cannot be listened on, in the words and codes that the HTTP API's address has too. */
import { TendrilError } from '../model/basics.ts';
import type { HostPort } from './config.ts';

/** `PORT_IN_USE`, `PORT_REFUSED`, `ADDRESS_UNKNOWN`, else `XDS_LISTEN`. */
export const xdsListenError = (error: unknown, { host, port }: HostPort): TendrilError => {
  const cause = error instanceof TendrilError && error.cause !== undefined ? error.cause : error;
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const fail = (name: string, why: string, remedy: string): TendrilError =>
    new TendrilError(name, `cannot listen for xDS on ${host}:${port}: ${why}`, { remedy, cause });
  if (code === 'EADDRINUSE')
    return fail('PORT_IN_USE', 'the port is in use', 'stop what uses it, or give another with --xds HOST:PORT');
  if (code === 'EACCES') return fail('PORT_REFUSED', 'no permission', 'use a port above 1023 with --xds HOST:PORT');
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EINVAL')
    return fail('ADDRESS_UNKNOWN', 'this machine has no such address', 'use 127.0.0.1');
  return fail('XDS_LISTEN', code, 'choose another address with --xds HOST:PORT');
};
