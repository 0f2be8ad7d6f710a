/**
 * The route configuration of the `outbound` listener: nothing but the source of its virtual hosts. It has no catch-all virtual
 * host: with one, Envoy would never ask for another (envoy-wire, section A).
 */
import { RouteConfiguration } from '../proto/index.ts';
import type { OwnResource } from './types.ts';
import { ADS, resource } from './values.ts';

/** `name`: `outbound`, or `outbound~<n>` for a later generation. */
export const routeConfiguration = (name: string): OwnResource =>
  resource(RouteConfiguration, { name, vhds: { configSource: ADS } });
