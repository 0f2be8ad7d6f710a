/**
 * Host and Origin headers (reliability 4c, "Admin API"): a web page must not reach a loopback port through a name that it made
 * resolve to 127.0.0.1, nor post to it from another origin.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { TendrilError } from '../model/index.ts';

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(?:\.[0-9]{1,3}){3}$/.test(host);

/** `name` of `name`, `name:port`, `[address]:port`, lower case; undefined: none of these. */
const nameOf = (host: string): string | undefined => {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::[0-9]{1,5})?$/.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
};

export interface HostRules {
  /** The address that is listened on. */
  readonly bound: string;
  /** Further names, for addresses that are not loopback. */
  readonly allowedHosts: readonly string[];
}

/** Bound to loopback: loopback names and addresses. Else: addresses, and the names that were allowed. */
const isAllowed = (name: string, rules: HostRules): boolean => {
  if (isLoopback(name) || rules.allowedHosts.includes(name)) return true;
  return !isLoopback(rules.bound) && isIP(name) !== 0;
};

/** Throws `HOST_REFUSED` or `ORIGIN_REFUSED`. */
export const checkOrigin = (headers: IncomingHttpHeaders, rules: HostRules): void => {
  const host = headers.host ?? '';
  const name = nameOf(host);
  if (name === undefined || !isAllowed(name, rules))
    throw new TendrilError(
      'HOST_REFUSED',
      `the Host header is "${host.slice(0, 255)}"; allowed are localhost and the address of this server`,
      {
        remedy: 'use the address, such as http://127.0.0.1:18001',
      },
    );
  const { origin } = headers;
  if (origin === undefined) return;
  if (origin.toLowerCase() !== `http://${host.toLowerCase()}`)
    throw new TendrilError('ORIGIN_REFUSED', `requests of web pages from "${origin.slice(0, 255)}" are not allowed`, {
      remedy: `open http://${host} itself, or use a client that is no web page`,
    });
};
