/** Messages of access logs and load reports, encoded by reflection from Envoy's own .proto files: what the hand-written readers must read. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { repositoryRoot } from './root.ts';

const DEPS = join(repositoryRoot, 'node_modules/@grpc/grpc-js-xds/deps');
const INCLUDE = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((name) => join(DEPS, name));
INCLUDE.push(join(repositoryRoot, 'node_modules/protobufjs'));

const load = (): protobuf.Root => {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => {
    if (target in protobuf.common) return target;
    const folder = INCLUDE.find((dir) => existsSync(join(dir, target)));
    return folder === undefined ? target : join(folder, target);
  };
  return root.loadSync([
    join(DEPS, 'envoy-api/envoy/service/accesslog/v3/als.proto'),
    join(DEPS, 'envoy-api/envoy/service/load_stats/v3/lrs.proto'),
  ]);
};

const root = load();
const encode = (type: protobuf.Type, message: object): Buffer =>
  Buffer.from(type.encode(type.fromObject(message)).finish());

const logs = root.lookupType('envoy.service.accesslog.v3.StreamAccessLogsMessage');
const stats = root.lookupType('envoy.service.load_stats.v3.LoadStatsRequest');
const statsAnswer = root.lookupType('envoy.service.load_stats.v3.LoadStatsResponse');

export interface TestNode {
  readonly id: string;
  readonly cluster?: string;
}

export interface LogsInput {
  readonly node?: TestNode;
  readonly logName?: string;
  readonly http?: readonly object[];
  readonly tcp?: readonly object[];
}

/** A StreamAccessLogsMessage; entries in protobufjs' plain form. */
export const logsMessage = ({ node, logName = 'tendril-edges', http, tcp }: LogsInput): Buffer =>
  encode(logs, {
    ...(node === undefined ? {} : { identifier: { node, logName } }),
    ...(http === undefined ? {} : { httpLogs: { logEntry: http } }),
    ...(tcp === undefined ? {} : { tcpLogs: { logEntry: tcp } }),
  });

export const loadMessage = (message: object): Buffer => encode(stats, message);
export const readLoadAnswer = (bytes: Uint8Array): unknown =>
  statsAnswer.toObject(statsAnswer.decode(bytes), { longs: Number });

export interface EntryInput {
  readonly cluster?: string;
  readonly route?: string;
  readonly authority?: string;
  readonly status?: number;
  readonly grpcStatus?: string;
  /** Camel-case names of ResponseFlags. */
  readonly flags?: readonly string[];
  /** Name in AccessLogType. Default: the end. */
  readonly type?: string;
  readonly streamId?: string;
  readonly startedMs?: number;
}

const address = { socketAddress: { address: '127.0.0.1', portValue: 41_234 } };
const duration = (nanos: number): object => ({ nanos });

const common = ({ cluster, route, flags = [], type, streamId, startedMs = 0 }: EntryInput, end: string): object => ({
  downstreamRemoteAddress: address,
  downstreamLocalAddress: address,
  downstreamDirectRemoteAddress: address,
  startTime: { seconds: Math.floor(startedMs / 1_000), nanos: 1 },
  timeToLastRxByte: duration(71_000),
  timeToFirstUpstreamTxByte: duration(310_000),
  timeToLastUpstreamTxByte: duration(320_000),
  timeToFirstUpstreamRxByte: duration(2_100_000),
  timeToLastUpstreamRxByte: duration(2_200_000),
  timeToFirstDownstreamTxByte: duration(2_300_000),
  timeToLastDownstreamTxByte: duration(2_400_000),
  upstreamRemoteAddress: address,
  upstreamLocalAddress: address,
  ...(cluster === undefined ? {} : { upstreamCluster: cluster }),
  responseFlags: Object.fromEntries(flags.map((flag) => [flag, true])),
  ...(route === undefined ? {} : { routeName: route }),
  filterStateObjects: {},
  duration: duration(2_500_000),
  upstreamRequestAttemptCount: 1,
  streamId: streamId ?? '4e9aab2f-6d5e-4c7a-9d6a-8c0c3ad6d0a4',
  ...((type ?? end) === end ? {} : { intermediateLogEntry: true }),
  downstreamWireBytesSent: 310,
  downstreamWireBytesReceived: 220,
  upstreamWireBytesSent: 300,
  upstreamWireBytesReceived: 330,
  accessLogType: type ?? end,
});

/** An HTTP entry as Envoy 1.40 writes it. */
export const httpEntry = (input: EntryInput): object => ({
  commonProperties: common(input, 'DownstreamEnd'),
  protocolVersion: 'HTTP11',
  request: {
    requestMethod: 'GET',
    scheme: 'http',
    ...(input.authority === undefined ? {} : { authority: input.authority }),
    path: '/product/0PUK6V6EV0?currency=EUR',
    userAgent: 'Go-http-client/1.1',
    requestId: '4e9aab2f-6d5e-4c7a-9d6a-8c0c3ad6d0a4',
    requestHeadersBytes: 320,
    upstreamHeaderBytesSent: 280,
    downstreamHeaderBytesReceived: 180,
  },
  response: {
    ...(input.status === undefined ? {} : { responseCode: { value: input.status } }),
    responseHeadersBytes: 190,
    responseBodyBytes: 1_830,
    ...(input.grpcStatus === undefined ? {} : { responseTrailers: { 'grpc-status': input.grpcStatus } }),
    responseCodeDetails: 'via_upstream',
    upstreamHeaderBytesReceived: 150,
    downstreamHeaderBytesSent: 170,
  },
});

export const tcpEntry = (input: EntryInput): object => ({
  commonProperties: common(input, 'TcpConnectionEnd'),
  connectionProperties: { receivedBytes: 4_096, sentBytes: 8_192 },
});
