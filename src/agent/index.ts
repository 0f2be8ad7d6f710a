/** `tendril agent`, as a library (`tendril/agent`): the life of an application beside it, and the local xDS endpoint of its Envoy. */
export { type Agent, type AgentOptions, type AgentStatus, type Saying, startAgent } from './agent.ts';
export {
  type Relay,
  type RelayedEnvoy,
  type RelayOptions,
  type RelayState,
  type RelayStatus,
  startRelay,
} from './relay/index.ts';
export { DEFAULT_RESTARTS, type RestartOptions } from './restart-budget.ts';
export { type StatusServer, serveStatus } from './status-server.ts';
