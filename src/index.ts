/** The package's door: the control plane as a library. `tendril/sidecar-client`, `tendril/agent` and `tendril/model` are doors of their own. */
export {
  type BootstrapOptions,
  envoyBootstrap,
  type HostPort,
  type RunningServer,
  resolveConfig,
  type ServeConfig,
  startServer,
  type VerifyReport,
  verifyData,
} from './runtime/index.ts';
