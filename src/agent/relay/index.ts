/** The local xDS endpoint of an agent: control planes on one side, Envoys on the other, the last good configuration between. */
export type { RelayState } from './effect.ts';
export type { Relay, RelayedEnvoy, RelayOptions, RelayStatus } from './options.ts';
export { startRelay } from './relay.ts';
