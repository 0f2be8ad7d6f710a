/**
 * The route configuration of the `outbound` listener: nothing but the source of its virtual hosts. It has no catch-all virtual
 * host: with one, Envoy would never ask for another (envoy-wire, section A).
 */
import { RouteConfiguration, VirtualHost } from '../proto/index.ts';
import type { OwnResource } from './types.ts';
import { ADS, resource } from './values.ts';

/** `name`: `outbound`, or `outbound~<n>` for a later generation. */
export const routeConfiguration = (name: string): OwnResource =>
  resource(RouteConfiguration, { name, vhds: { configSource: ADS } });

/** A virtual host as `vhds` resources hold it: without its name. */
export interface NamedVirtualHost {
  readonly servicePort: string;
  readonly tail: Uint8Array;
}

/** The route configuration of a client that cannot speak delta: it holds its virtual hosts, those of the node's edges. */
export const inlineRouteConfiguration = (name: string, hosts: readonly NamedVirtualHost[]): OwnResource =>
  resource(RouteConfiguration, {
    name,
    virtualHosts: hosts.map(({ servicePort, tail }) => ({
      ...VirtualHost.decode(tail),
      name: `${name}/${servicePort}`,
    })),
  });
