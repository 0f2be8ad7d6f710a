/** State -> Envoy resources. Pure, deterministic; version = hash of the bytes. */
export { compileService } from './compile.ts';
export { emptyAssignment, emptyCluster } from './empty.ts';
export * from './grpc/index.ts';
export { compileOwn } from './own.ts';
export { type RawProblem, type RawResource, rawProblem, readRawResource } from './raw-resource.ts';
export { inlineRouteConfiguration, routeConfiguration } from './route-configuration.ts';
export * from './types.ts';
