/**
 * Answers on the address of the HTTP API while no core can start: what is wrong in `/healthz`, `/readyz` and `/metrics`, and the same
 * code for everything else. Sidecars are served by the xDS workers meanwhile.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TendrilError } from '../model/index.ts';
import { checkOrigin } from './host-check.ts';
import { METRICS_TYPE, metricsText } from './metrics-text.ts';
import type { AuditPort, HealthPart } from './ports.ts';
import { PROBLEM_TYPE, problemOf, problemOfError, retryAfter } from './problem.ts';
import { answerClientError, listenError } from './socket-errors.ts';
import { isWrite, WriteTrace } from './write-trace.ts';

export interface StandInOptions {
  readonly host: string;
  readonly port: number;
  readonly allowedHosts?: readonly string[];
  /** Why no core runs, as of now. */
  readonly part: () => HealthPart;
  /** Starts that have failed. */
  readonly failures: () => number;
  readonly audit?: Pick<AuditPort, 'record'>;
}

export interface StandIn {
  readonly port: number;
  /** Frees the address. */
  close(): Promise<void>;
}

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  /** Of a problem, for the audit. */
  readonly problem?: object;
}

const CALLER = 'local';
const jsonReply = (status: number, body: object, type = 'application/json'): Reply => ({
  status,
  type,
  body: `${JSON.stringify(body)}\n`,
  ...(type === PROBLEM_TYPE ? { problem: body } : {}),
});

const replyTo = (request: IncomingMessage, id: string, options: StandInOptions): Reply => {
  try {
    checkOrigin(request.headers, { bound: options.host, allowedHosts: options.allowedHosts ?? [] });
  } catch (error) {
    if (error instanceof TendrilError) {
      const problem = problemOfError(error, id);
      return jsonReply(problem.status, problem, PROBLEM_TYPE);
    }
    throw error;
  }
  const part = options.part();
  const { code = 'STATE_FAILED', message = 'the core cannot start', remedy } = part;
  const path = (request.url ?? '').split('?')[0];
  if (!isWrite(request.method)) {
    if (path === '/healthz') return jsonReply(503, { status: 'failed', degraded: [part.name], parts: [part] });
    if (path === '/readyz') return jsonReply(503, { ready: false, offset: 0, reasons: [`${code}: ${message}`] });
    if (path === '/metrics') {
      const help = 'Starts of the core that have failed since it last ran; while there are some, no core runs.';
      const name = 'tendril_core_failed_starts';
      const families = [
        { name, help, type: 'gauge' as const, samples: [{ labels: { code }, value: options.failures() }] },
      ];
      return { status: 200, type: METRICS_TYPE, body: metricsText(families) };
    }
  }
  return jsonReply(503, problemOf(503, code, message, { remedy, request: id }), PROBLEM_TYPE);
};

const handle = (request: IncomingMessage, response: ServerResponse, id: string, options: StandInOptions): void => {
  const reply = replyTo(request, id, options);
  if (isWrite(request.method)) {
    const entry = new WriteTrace(CALLER).entry(request, id, reply.status, reply.problem);
    if (entry !== undefined) options.audit?.record(entry);
  }
  const seconds = retryAfter(reply.status);
  response.writeHead(reply.status, {
    'content-type': reply.type,
    'cache-control': 'no-store',
    'x-request-id': id,
    // Nobody reads the rest of a body.
    connection: 'close',
    ...(seconds === undefined ? {} : { 'retry-after': String(seconds) }),
  });
  response.end(reply.body);
  request.resume();
};

const listening = (server: Server, { host, port }: StandInOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, host, port)));
    server.listen(port, host, () => resolve());
  });

/** Rejects as `AdminServer.listen`. */
export const listenStandIn = async (options: StandInOptions): Promise<StandIn> => {
  let requests = 0;
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 16 * 1024 },
    (request, response) => handle(request, response, `stand-in-${++requests}`, options),
  );
  server.maxConnections = 200;
  server.on('clientError', answerClientError);
  await listening(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
