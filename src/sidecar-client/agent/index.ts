/** `tendril agent`, as a library. */
export { type Agent, type AgentOptions, type AgentStatus, type Saying, startAgent } from './agent.ts';
export { DEFAULT_RESTARTS, type RestartOptions } from './restart-budget.ts';
export { type StatusServer, serveStatus } from './status-server.ts';
