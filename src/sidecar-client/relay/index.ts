/** The local xDS endpoint of an agent: control planes on one side, Envoys on the other, the last good configuration between. */
export { type Relay, type RelayedEnvoy, type RelayOptions, type RelayStatus, startRelay } from './relay.ts';
export type { RelayState } from './session.ts';
