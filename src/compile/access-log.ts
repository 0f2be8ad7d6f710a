/**
 * Access logs of the listeners that an application calls others through: to the control plane, as evidence of use (envoy-wire section J,
 * envoy-wire2 section 7). They are the same for every node, so they are encoded once.
 *
 * - What is open is logged every 30 s, so that a connection of days renews its edge. Envoy gathers 64 KiB, for at most 5 s.
 * - The start of a request is not logged: its cluster is not known yet. Of a connection it is: it is known then, and rare.
 * - `grpc-status` is logged because a gRPC call that failed is a 200 to HTTP.
 */
import {
  EDGE_LOG,
  EDGE_LOG_PERIOD_MS,
  type envoy,
  HttpGrpcAccessLog,
  type IHttpConnectionManager,
  type ITcpProxy,
  packAny,
  TcpGrpcAccessLog,
  TYPE_URLS,
} from '../proto/index.ts';
import { API_V3, duration, wrapped } from './values.ts';

const COMMON: envoy.extensions.access_loggers.grpc.v3.ICommonGrpcAccessLogConfig = {
  logName: EDGE_LOG,
  grpcService: { envoyGrpc: { clusterName: 'xds' } },
  transportApiVersion: API_V3,
  bufferFlushInterval: duration(5_000),
  bufferSizeBytes: wrapped(65_536),
};

const STATUS_HEADER = ['grpc-status'];

export const HTTP_EDGE_LOG: Pick<IHttpConnectionManager, 'accessLog' | 'accessLogOptions'> = {
  accessLog: [
    {
      name: 'envoy.access_loggers.http_grpc',
      typedConfig: packAny(TYPE_URLS.HttpGrpcAccessLog, HttpGrpcAccessLog, {
        commonConfig: COMMON,
        additionalResponseHeadersToLog: STATUS_HEADER,
        additionalResponseTrailersToLog: STATUS_HEADER,
      }),
    },
  ],
  accessLogOptions: { accessLogFlushInterval: duration(EDGE_LOG_PERIOD_MS) },
};

export const TCP_EDGE_LOG: Pick<ITcpProxy, 'accessLog' | 'accessLogOptions'> = {
  accessLog: [
    {
      name: 'envoy.access_loggers.tcp_grpc',
      typedConfig: packAny(TYPE_URLS.TcpGrpcAccessLog, TcpGrpcAccessLog, { commonConfig: COMMON }),
    },
  ],
  accessLogOptions: { accessLogFlushInterval: duration(EDGE_LOG_PERIOD_MS), flushAccessLogOnConnected: true },
};
