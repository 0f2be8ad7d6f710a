/**
 * The Envoy form of a resource -> the form that gRPC clients take (proxyless): pure functions of bytes, the strictest of grpc-js
 * and grpc-go (reference: xds-checklist, last section). Made on first use, where they are served; nothing of it is stored.
 */
export { grpcAssignment } from './assignment.ts';
export { emptyGrpcCluster, type GrpcCluster, grpcCluster } from './cluster.ts';
export { grpcListener } from './listener.ts';
export { grpcRoutes, grpcRoutesTo, NOWHERE } from './routes.ts';
