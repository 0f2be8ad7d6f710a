/** The composition root: configuration, processes, life cycle. */
export { type BootstrapOptions, envoyBootstrap } from './bootstrap-envoy.ts';
export { type GrpcBootstrapOptions, grpcBootstrap } from './bootstrap-grpc.ts';
export { CORE_FLAGS } from './child-starts.ts';
export { type HostPort, parseHostPort, resolveConfig, SERVE_OPTIONS, type ServeConfig } from './config.ts';
export {
  dumpLog,
  exportData,
  type ImportedData,
  importData,
  importLog,
  type OpenSnapshot,
  type SnapshotHeader,
  wholeSnapshot,
  writeSnapshotFile,
} from './data-files.ts';
export { packageRoot, packageVersion } from './package-version.ts';
export { startServer } from './server.ts';
export type { RunningServer } from './supervisor.ts';
export { type VerifyReport, verifyData } from './verify.ts';
