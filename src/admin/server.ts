/**
 * The HTTP API: puts the routes on fastify, checks everything that comes before a handler, and makes every error an answer.
 *
 * Order for each request: Host and Origin, route, `?at=`, parameters, body (content type, size), handler. Nothing of a request
 * is acted on before all of that passed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { TendrilError } from '../model/index.ts';
import { BodyReader } from './body.ts';
import { checkOrigin, isLoopback } from './host-check.ts';
import { plainJson } from './json-plain.ts';
import { openApi } from './openapi.ts';
import type { AdminLogger, AdminPorts } from './ports.ts';
import { PROBLEM_TYPE, type Problem, problemOf, problemOfError, refusal, retryAfter } from './problem.ts';
import { type Answer, type AnyRoute, bodyKindOf, type RequestContext, route } from './route.ts';
import { documentRoutes } from './routes/documents.ts';
import { endpointRoutes } from './routes/endpoints.ts';
import { streamRoutes } from './routes/event-stream.ts';
import { eventRoutes } from './routes/events.ts';
import { graphRoutes } from './routes/graph.ts';
import { operationRoutes } from './routes/operations.ts';
import { proxyRoutes } from './routes/proxies.ts';
import { schemaRoutes } from './routes/schemas.ts';
import { serviceRoutes } from './routes/services.ts';

export interface AdminOptions {
  readonly logger: AdminLogger;
  /** Of the package, for OpenAPI. */
  readonly version: string;
  /** Allows an address that is not loopback. */
  readonly insecureBind?: boolean;
  /** Host names that are taken besides addresses when bound to one that is not loopback. */
  readonly allowedHosts?: readonly string[];
  /** Bytes of one body. Default 16 MiB. */
  readonly bodyBytes?: number;
  /** Bytes of all bodies being read. Default 256 MiB. */
  readonly allBodiesBytes?: number;
  /** Events of one batch, for NDJSON. Default 1,000. */
  readonly batchEvents?: number;
  /** Server-sent event streams at one time. Default 100. */
  readonly maxStreams?: number;
  /** Connections at one time. Default 2,000. */
  readonly maxConnections?: number;
  /** How long `close` waits for requests that run, ms. Default 5,000. */
  readonly graceMs?: number;
}

export interface AdminServer {
  /** Rejects with `PORT_IN_USE`, `PORT_REFUSED`, `ADDRESS_UNKNOWN`, `BIND_REFUSED`. */
  listen(host: string, port: number): Promise<{ readonly host: string; readonly port: number }>;
  /** Undefined before `listen`. */
  address(): { readonly host: string; readonly port: number } | undefined;
  /** Requests answered, by status; streams open now. */
  readonly counters: AdminCounters;
  /** Takes no more requests, ends streams, lets running requests finish. */
  close(): Promise<void>;
}

export interface AdminCounters {
  readonly byStatus: ReadonlyMap<number, number>;
  readonly streams: number;
}

/** `local`: nobody is asked who they are in this version. */
const CALLER = 'local';

const ROUTES: readonly AnyRoute[] = [
  ...eventRoutes,
  ...streamRoutes,
  ...documentRoutes,
  ...serviceRoutes,
  ...endpointRoutes,
  ...graphRoutes,
  ...proxyRoutes,
  ...operationRoutes,
  ...schemaRoutes,
];

/** `/v1/docs/{kind}` in fastify's spelling: `:kind`, a literal colon doubled. */
const fastifyPath = (path: string): string => path.replaceAll(':', '::').replace(/\{([a-z]+)\}/g, ':$1');

const listenError = (error: unknown, host: string, port: number): unknown => {
  const code = (error as NodeJS.ErrnoException).code;
  const where = `${host}:${port}`;
  if (code === 'EADDRINUSE')
    return new TendrilError('PORT_IN_USE', `cannot listen on ${where}: the port is in use`, {
      remedy: 'stop what uses it, or give another with --admin HOST:PORT',
      cause: error,
    });
  if (code === 'EACCES')
    return new TendrilError('PORT_REFUSED', `cannot listen on ${where}: no permission`, {
      remedy: 'use a port above 1023 with --admin HOST:PORT',
      cause: error,
    });
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EINVAL')
    return new TendrilError('ADDRESS_UNKNOWN', `cannot listen on ${where}: this machine has no such address`, {
      remedy: 'use 127.0.0.1',
      cause: error,
    });
  return error;
};

class Server implements AdminServer {
  readonly #app: FastifyInstance;
  readonly #ports: AdminPorts;
  readonly #options: AdminOptions;
  readonly #bodies: BodyReader;
  readonly #stop = new AbortController();
  readonly #byStatus = new Map<number, number>();
  #streams = 0;
  #bound: { readonly host: string; readonly port: number } | undefined;

  constructor(ports: AdminPorts, options: AdminOptions) {
    this.#options = options;
    this.#ports = {
      ...ports,
      health: { parts: () => [...ports.health.parts(), ...this.#ownParts()], ready: () => ports.health.ready() },
    };
    this.#bodies = new BodyReader({
      bodyBytes: options.bodyBytes ?? 16 * 1024 * 1024,
      allBodiesBytes: options.allBodiesBytes ?? 256 * 1024 * 1024,
    });
    this.#app = fastify({
      logger: false,
      bodyLimit: Number.MAX_SAFE_INTEGER,
      requestTimeout: 60_000,
      keepAliveTimeout: 72_000,
      forceCloseConnections: 'idle',
      routerOptions: { maxParamLength: 1_024 },
      http: { maxHeaderSize: 16 * 1024, headersTimeout: 10_000 } as never,
    });
    this.#setUp();
  }

  get counters(): AdminCounters {
    return { byStatus: this.#byStatus, streams: this.#streams };
  }

  address(): { readonly host: string; readonly port: number } | undefined {
    return this.#bound;
  }

  async listen(host: string, port: number): Promise<{ readonly host: string; readonly port: number }> {
    if (!isLoopback(host) && this.#options.insecureBind !== true)
      throw new TendrilError(
        'BIND_REFUSED',
        `${host} is not a loopback address, and this version has no TLS and no authentication`,
        {
          remedy: 'bind to 127.0.0.1, or accept the risk with --insecure-bind',
        },
      );
    this.#bound = { host, port };
    try {
      await this.#app.listen({ host, port });
    } catch (error) {
      this.#bound = undefined;
      throw listenError(error, host, port);
    }
    const bound = this.#app.server.address() as AddressInfo;
    this.#bound = { host, port: bound.port };
    return this.#bound;
  }

  async close(): Promise<void> {
    this.#stop.abort(new TendrilError('STOPPING', 'the control plane is stopping'));
    const cut = setTimeout(() => this.#app.server.closeAllConnections(), this.#options.graceMs ?? 5_000);
    try {
      await this.#app.close();
    } finally {
      clearTimeout(cut);
    }
  }

  #ownParts(): ReturnType<AdminPorts['health']['parts']> {
    const host = this.#bound?.host;
    if (host === undefined || isLoopback(host)) return [];
    return [
      {
        name: 'bind',
        status: 'degraded',
        code: 'INSECURE_BIND',
        message: `the HTTP API listens on ${host} without TLS and authentication: whoever reaches it may change the mesh`,
        remedy: 'bind to 127.0.0.1',
      },
    ];
  }

  #setUp(): void {
    const app = this.#app;
    app.server.maxConnections = this.#options.maxConnections ?? 2_000;
    app.removeAllContentTypeParsers();
    // Bodies are read where the route is known: what it does not want is not read.
    app.addContentTypeParser('*', (_request, _payload, done) => done(null));
    app.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      // A client that asks first is told at once; all others get the answer after sending.
      if (Number(request.headers['content-length'] ?? 0) <= (this.#options.bodyBytes ?? 16 * 1024 * 1024))
        response.writeContinue();
      app.server.emit('request', request, response);
    });
    app.server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => this.#clientError(error, socket));
    app.setErrorHandler((error, request, reply) => this.#fail(request, reply, error));
    app.setNotFoundHandler((request, reply) => this.#notFound(request, reply));
    const routes = [...ROUTES, this.#openApiRoute()];
    for (const definition of routes)
      app.route({
        method: definition.method,
        url: fastifyPath(definition.path),
        handler: (request, reply) => this.#run(definition, request, reply),
      });
  }

  #openApiRoute(): AnyRoute {
    let made: unknown;
    return route({
      method: 'GET',
      path: '/v1/openapi.json',
      summary: 'This description.',
      query: {},
      answers: { 200: 'OpenAPI 3.1' },
      handle: () => {
        made ??= openApi([...ROUTES], this.#options.version);
        return { body: made };
      },
    });
  }

  async #run(definition: AnyRoute, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    try {
      this.#checkOrigin(request.raw);
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const signal = AbortSignal.any([gone.signal, this.#stop.signal]);
      const context: RequestContext = {
        path: request.params as Record<string, string>,
        query: parseQuery(definition, request.raw.url ?? ''),
        headers: request.headers,
        body: await this.#body(definition, request.raw),
        caller: CALLER,
        requestId: request.id,
        ports: this.#ports,
        logger: this.#options.logger,
        signal,
        limits: { batchEvents: this.#options.batchEvents ?? 1_000 },
      };
      if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
      if (definition.stream !== undefined) return await this.#stream(definition, context, reply);
      const answer = await definition.handle?.(context);
      return this.#answer(definition, request, reply, answer ?? { body: null });
    } catch (error) {
      return this.#fail(request, reply, error);
    }
  }

  #checkOrigin(request: IncomingMessage): void {
    checkOrigin(request.headers, {
      bound: this.#bound?.host ?? '127.0.0.1',
      allowedHosts: this.#options.allowedHosts ?? [],
    });
  }

  async #body(definition: AnyRoute, request: IncomingMessage): Promise<RequestContext['body']> {
    const { body } = definition;
    if (body === undefined) return undefined;
    const length = request.headers['content-length'];
    const isEmpty = request.headers['transfer-encoding'] === undefined && (length === undefined || length === '0');
    if (isEmpty && body.optional === true) return undefined;
    if (isEmpty) throw refusal('E103', 'the body is missing', { remedy: `send ${body.description}` });
    let kind: ReturnType<typeof bodyKindOf> | undefined;
    let wrong: unknown;
    try {
      kind = bodyKindOf(request.headers['content-type'], body.kinds);
    } catch (error) {
      wrong = error;
    }
    const bytes = await this.#bodies.read(request);
    if (kind === undefined) throw wrong;
    return { kind, bytes };
  }

  async #stream(definition: AnyRoute, context: RequestContext, reply: FastifyReply): Promise<FastifyReply> {
    const most = this.#options.maxStreams ?? 100;
    if (this.#streams >= most)
      throw new TendrilError('STREAMS_FULL', `${most} streams are open already`, {
        remedy: 'close one, or try again later',
      });
    this.#streams++;
    const response = reply.raw;
    try {
      await definition.stream?.(context, response);
    } catch (error) {
      // Before the first byte an error is an answer like any other.
      if (!response.headersSent) throw error;
      this.#options.logger.warn({ error, request: context.requestId }, 'event stream ended by an error');
    } finally {
      this.#streams--;
    }
    reply.hijack();
    this.#count(200);
    response.end();
    return reply;
  }

  #answer(definition: AnyRoute, request: FastifyRequest, reply: FastifyReply, answer: Answer): FastifyReply {
    const status = answer.status ?? 200;
    const isText = typeof answer.body === 'string' && answer.type !== undefined;
    const type = answer.type ?? (status >= 400 ? PROBLEM_TYPE : 'application/json; charset=utf-8');
    reply
      .code(status)
      .header('content-type', type)
      .header('cache-control', 'no-store')
      .header('x-request-id', request.id);
    if (answer.etag !== undefined) reply.header('etag', `"${answer.etag}"`);
    const seconds = status >= 400 ? retryAfter(status) : undefined;
    if (seconds !== undefined) reply.header('retry-after', String(seconds));
    for (const [name, value] of Object.entries(answer.headers ?? {})) reply.header(name, value);
    this.#count(status);
    if (definition.method !== 'GET')
      this.#options.logger.info(
        { request: request.id, method: definition.method, url: request.url, status, caller: CALLER },
        'write',
      );
    return reply.send(isText ? answer.body : `${JSON.stringify(answer.body, plainJson)}\n`);
  }

  #count(status: number): void {
    this.#byStatus.set(status, (this.#byStatus.get(status) ?? 0) + 1);
  }

  #fail(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
    const problem = this.#problemOf(request, error);
    this.#count(problem.status);
    reply
      .code(problem.status)
      .header('content-type', PROBLEM_TYPE)
      .header('cache-control', 'no-store')
      .header('x-request-id', request.id);
    const seconds = retryAfter(problem.status);
    if (seconds !== undefined) reply.header('retry-after', String(seconds));
    if (!request.raw.complete) reply.header('connection', 'close');
    return reply.send(`${JSON.stringify(problem, plainJson)}\n`);
  }

  #problemOf(request: FastifyRequest, error: unknown): Problem {
    if (error instanceof TendrilError) {
      const problem = problemOfError(error, request.id);
      const fields = {
        request: request.id,
        method: request.method,
        url: request.url,
        status: problem.status,
        code: error.code,
      };
      if (problem.status >= 500) this.#options.logger.warn({ ...fields, error }, 'request not served');
      else this.#options.logger.debug(fields, 'request refused');
      return problem;
    }
    const status = (error as { readonly statusCode?: unknown }).statusCode;
    if (typeof status === 'number' && status >= 400 && status < 500)
      return problemOf(
        status,
        status === 414 ? 'URL_TOO_LONG' : 'REQUEST_INVALID',
        error instanceof Error ? error.message : 'the request is not valid',
        { request: request.id },
      );
    this.#options.logger.error(
      { error, request: request.id, method: request.method, url: request.url },
      'request failed',
    );
    return problemOf(500, 'INTERNAL', 'something went wrong inside; the log has it under this request', {
      remedy: `look for ${request.id} in the log of the control plane`,
      request: request.id,
    });
  }

  #notFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    try {
      this.#checkOrigin(request.raw);
    } catch (error) {
      return this.#fail(request, reply, error);
    }
    const path = (request.raw.url ?? '').split('?')[0] ?? '';
    const methods = (['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).filter(
      (method) => this.#app.findRoute({ method, url: path }) !== null || this.#hasRoute(method, path),
    );
    if (methods.length === 0)
      return this.#fail(
        request,
        reply,
        new TendrilError('ROUTE_UNKNOWN', `there is nothing at ${path.slice(0, 256)}`, {
          remedy: 'see GET /v1/openapi.json',
        }),
      );
    reply.header('allow', methods.join(', '));
    return this.#fail(
      request,
      reply,
      new TendrilError(
        'METHOD_NOT_ALLOWED',
        `${request.method} is not possible at ${path.slice(0, 256)}; allowed: ${methods.join(', ')}`,
      ),
    );
  }

  #hasRoute(method: string, path: string): boolean {
    return ROUTES.some((candidate) => candidate.method === method && pathPattern(candidate.path).test(path));
  }

  /** What is not even HTTP. */
  #clientError(error: NodeJS.ErrnoException, socket: Socket): void {
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
    const status = tooLarge
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
    const body = JSON.stringify({
      type: 'urn:tendril:error:REQUEST_INVALID',
      title: status.slice(4),
      status: Number(status.slice(0, 3)),
      code: 'REQUEST_INVALID',
      detail: tooLarge ? 'the headers are larger than 16 KiB' : 'this is not an HTTP request',
    });
    socket.end(
      `HTTP/1.1 ${status}\r\ncontent-type: ${PROBLEM_TYPE}\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }
}

const patterns = new Map<string, RegExp>();
const pathPattern = (path: string): RegExp => {
  const known = patterns.get(path);
  if (known !== undefined) return known;
  const made = new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{[a-z]+\}/g, '[^/]+')}$`);
  patterns.set(path, made);
  return made;
};

/** Throws `AT_NOT_YET`, E101 for an unknown parameter, E102 and E104 for a bad value. */
const parseQuery = (definition: AnyRoute, url: string): RequestContext['query'] => {
  const at = url.indexOf('?');
  const given = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  if (given.has('at'))
    throw refusal('AT_NOT_YET', '?at= (reading an earlier state) comes with a later version of Tendril', {
      pointer: '?at',
      remedy: 'leave it out to read the newest state',
    });
  for (const name of given.keys()) {
    if (!Object.hasOwn(definition.query, name))
      throw refusal(
        'E101',
        `unknown parameter "${name.slice(0, 80)}"; allowed are ${Object.keys(definition.query).join(', ') || 'none'}`,
        { pointer: `?${name.slice(0, 80)}` },
      );
    if (given.getAll(name).length > 1)
      throw refusal('E102', `${name} is given ${given.getAll(name).length} times; allowed is once`, {
        pointer: `?${name}`,
      });
  }
  return Object.fromEntries(
    Object.entries(definition.query).map(([name, param]) => [name, param.parse(given.get(name) ?? undefined, name)]),
  );
};

export const createAdminServer = (ports: AdminPorts, options: AdminOptions): AdminServer => new Server(ports, options);
