/**
 * The HTTP API: puts the routes on fastify, checks everything that comes before a handler, and makes every error an answer.
 *
 * Order for each request: Host and Origin, `?at=`, parameters, body (content type, size), handler. Nothing of a request is acted
 * on before all of that passed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { TendrilError } from '../model/index.ts';
import { Answers } from './answers.ts';
import { BodyReader } from './body.ts';
import { checkOrigin, isLoopback } from './host-check.ts';
import type { AdminLogger, AdminPorts, HealthPart } from './ports.ts';
import { refusal } from './problem.ts';
import { parseQuery } from './query.ts';
import { type AnyRoute, bodyKindOf, type RequestContext } from './route.ts';
import { allRoutes, methodsAt } from './routes/all.ts';
import { answerClientError, listenError } from './socket-errors.ts';
import { STALL_MS } from './sse.ts';
import { isWrite, WriteTrace } from './write-trace.ts';

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
  /** How long the reader of an event stream may take nothing before the stream ends, ms. Default 60,000. */
  readonly stallMs?: number;
  /** Connections at one time. Default 2,000. */
  readonly maxConnections?: number;
  /** How long `close` waits for requests that run, ms. Default 5,000. */
  readonly graceMs?: number;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface AdminServer {
  /** Rejects with `PORT_IN_USE`, `PORT_REFUSED`, `ADDRESS_UNKNOWN`, `BIND_REFUSED`. */
  listen(host: string, port: number): Promise<HostPort>;
  /** Undefined before `listen`. */
  address(): HostPort | undefined;
  readonly counters: AdminCounters;
  /** Takes no more requests, ends streams, lets running requests finish. */
  close(): Promise<void>;
}

export interface AdminCounters {
  /** Requests answered, by status. */
  readonly byStatus: ReadonlyMap<number, number>;
  /** Event streams open now. */
  readonly streams: number;
}

/** `local`: nobody is asked who they are in this version. */
const CALLER = 'local';
const BODY_BYTES = 16 * 1024 * 1024;

/** `/v1/docs/{kind}` in fastify's spelling: `:kind`, a literal colon doubled; before one a part needs its end as a pattern. */
const fastifyPath = (path: string): string =>
  path
    .replaceAll(':', '::')
    .replace(/\{([a-z]+)\}(?=::)/g, ':$1([^/]+)')
    .replace(/\{([a-z]+)\}/g, ':$1');

class Server implements AdminServer {
  readonly #app: FastifyInstance;
  readonly #ports: AdminPorts;
  readonly #options: AdminOptions;
  readonly #bodies: BodyReader;
  readonly #answers: Answers;
  /** Requests being served; aborted when the client is gone or the server stops. */
  readonly #running = new Set<AbortController>();
  #stopping: TendrilError | undefined;
  /** Requests whose client waits to be told to send the body. */
  readonly #unsent = new WeakSet<IncomingMessage>();
  /** What writing requests have written so far. */
  readonly #traces = new WeakMap<FastifyRequest, WriteTrace>();
  #streams = 0;
  #bound: HostPort | undefined;

  constructor(ports: AdminPorts, options: AdminOptions) {
    this.#options = options;
    const { health } = ports;
    this.#ports = {
      ...ports,
      health: { parts: () => this.#withOwnPart(health.parts()), ready: () => health.ready() },
    };
    this.#answers = new Answers(options.logger, (request, status, body) => this.#audit(request, status, body));
    this.#bodies = new BodyReader({
      bodyBytes: options.bodyBytes ?? BODY_BYTES,
      allBodiesBytes: options.allBodiesBytes ?? 16 * BODY_BYTES,
    });
    this.#app = fastify({
      logger: false,
      bodyLimit: Number.MAX_SAFE_INTEGER,
      requestTimeout: 60_000,
      keepAliveTimeout: 72_000,
      forceCloseConnections: 'idle',
      // Addresses that cannot be decoded.
      frameworkErrors: (error, request, reply) => void this.#answers.fail(request, reply, error),
      clientErrorHandler: answerClientError,
      routerOptions: { maxParamLength: 1_024 },
      http: { maxHeaderSize: 16 * 1024, headersTimeout: 10_000 },
    });
    this.#setUp(allRoutes(options.version));
  }

  get counters(): AdminCounters {
    return { byStatus: this.#answers.byStatus, streams: this.#streams };
  }

  address(): HostPort | undefined {
    return this.#bound;
  }

  async listen(host: string, port: number): Promise<HostPort> {
    if (!isLoopback(host) && this.#options.insecureBind !== true)
      throw new TendrilError(
        'BIND_REFUSED',
        `${host} is not a loopback address, and this version has no TLS and no authentication`,
        {
          remedy: 'bind to 127.0.0.1, or accept the risk with --insecure-bind',
        },
      );
    // Requests may come before `listen` has returned.
    this.#bound = { host, port };
    try {
      await this.#app.listen({ host, port });
    } catch (error) {
      this.#bound = undefined;
      throw listenError(error, host, port);
    }
    this.#bound = { host, port: (this.#app.server.address() as AddressInfo).port };
    return this.#bound;
  }

  async close(): Promise<void> {
    this.#stopping = new TendrilError('STOPPING', 'the control plane is stopping', {
      remedy: 'try again in some seconds',
    });
    for (const request of this.#running) request.abort(this.#stopping);
    const cut = setTimeout(() => this.#app.server.closeAllConnections(), this.#options.graceMs ?? 5_000);
    try {
      await this.#app.close();
    } finally {
      clearTimeout(cut);
    }
  }

  /** `--insecure-bind` is told in every /healthz, by whoever notices it. */
  #withOwnPart(parts: readonly HealthPart[]): readonly HealthPart[] {
    const host = this.#bound?.host;
    if (host === undefined || isLoopback(host) || parts.some(({ name }) => name === 'bind')) return parts;
    const message = `the HTTP API listens on ${host} without TLS and authentication: whoever reaches it may change the mesh`;
    return [
      ...parts,
      { name: 'bind', status: 'degraded', code: 'INSECURE_BIND', message, remedy: 'bind to 127.0.0.1' },
    ];
  }

  #setUp(routes: readonly AnyRoute[]): void {
    const app = this.#app;
    const methods = methodsAt(routes);
    app.server.maxConnections = this.#options.maxConnections ?? 2_000;
    app.removeAllContentTypeParsers();
    // Bodies are read where the route is known: what it does not want is not read.
    app.addContentTypeParser('*', (_request, _payload, done) => done(null));
    app.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      // A client that asks before it sends too much is told at once; all others get the answer after sending.
      if (this.#bodies.isTooLarge(request)) this.#unsent.add(request);
      else response.writeContinue();
      app.server.emit('request', request, response);
    });
    app.setErrorHandler((error, request, reply) => this.#answers.fail(request, reply, error));
    app.setNotFoundHandler((request, reply) => this.#notFound(methods, request, reply));
    for (const definition of routes)
      app.route({
        method: definition.method,
        url: fastifyPath(definition.path),
        handler: (request, reply) => this.#run(definition, request, reply),
      });
  }

  async #run(definition: AnyRoute, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    try {
      this.#checkOrigin(request.raw);
      if (this.#stopping !== undefined) throw this.#stopping;
      const running = new AbortController();
      this.#running.add(running);
      reply.raw.once('close', () => {
        this.#running.delete(running);
        running.abort();
      });
      const context: RequestContext = {
        path: request.params as Record<string, string>,
        query: parseQuery(definition, request.raw.url ?? ''),
        headers: request.headers,
        body: await this.#body(definition, request.raw),
        caller: CALLER,
        requestId: request.id,
        ports: this.#portsFor(request),
        logger: this.#options.logger,
        signal: running.signal,
        limits: {
          batchEvents: this.#options.batchEvents ?? 1_000,
          stallMs: this.#options.stallMs ?? STALL_MS,
        },
      };
      if (definition.stream !== undefined) return await this.#stream(definition.stream, context, reply);
      return this.#answers.send(request, reply, (await definition.handle?.(context)) ?? { body: null });
    } catch (error) {
      return this.#answers.fail(request, reply, error);
    }
  }

  #portsFor(request: FastifyRequest): AdminPorts {
    if (this.#ports.audit === undefined || !isWrite(request.method)) return this.#ports;
    const trace = new WriteTrace(CALLER);
    this.#traces.set(request, trace);
    return trace.ports(this.#ports);
  }

  /** Also what was refused before its route was known. */
  #audit(request: FastifyRequest, status: number, body: unknown): void {
    const { audit } = this.#ports;
    if (audit === undefined || !isWrite(request.method)) return;
    const trace = this.#traces.get(request) ?? new WriteTrace(CALLER);
    const entry = trace.entry(request.raw, request.id, status, body);
    if (entry !== undefined) audit.record(entry);
  }

  #checkOrigin(request: IncomingMessage): void {
    checkOrigin(request.headers, {
      bound: this.#bound?.host ?? '127.0.0.1',
      allowedHosts: this.#options.allowedHosts ?? [],
    });
  }

  async #body({ body }: AnyRoute, request: IncomingMessage): Promise<RequestContext['body']> {
    if (body === undefined) return undefined;
    const length = request.headers['content-length'];
    const isEmpty = request.headers['transfer-encoding'] === undefined && (length === undefined || length === '0');
    if (isEmpty && body.optional === true) return undefined;
    if (isEmpty) throw refusal('E103', 'the body is missing', { remedy: `send ${body.description}` });
    const kind = bodyKindOf(request.headers['content-type'], body.kinds);
    if (this.#unsent.has(request)) throw this.#bodies.tooLarge(String(length));
    return { kind, bytes: await this.#bodies.read(request) };
  }

  async #stream(
    run: NonNullable<AnyRoute['stream']>,
    context: RequestContext,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const most = this.#options.maxStreams ?? 100;
    if (this.#streams >= most)
      throw new TendrilError('STREAMS_FULL', `${most} streams are open already`, {
        remedy: 'close one, or try again later',
      });
    this.#streams++;
    try {
      await run(context, reply.raw);
    } catch (error) {
      // Before the first byte an error is an answer like any other.
      if (!reply.raw.headersSent) throw error;
      if (!context.signal.aborted)
        this.#options.logger.warn({ error, request: context.requestId }, 'event stream ended by an error');
    } finally {
      this.#streams--;
    }
    reply.hijack();
    this.#answers.count(200);
    reply.raw.end();
    return reply;
  }

  #notFound(methods: (path: string) => readonly string[], request: FastifyRequest, reply: FastifyReply): FastifyReply {
    try {
      this.#checkOrigin(request.raw);
      const path = (request.raw.url ?? '').split('?')[0] ?? '';
      const possible = methods(path);
      if (possible.length === 0)
        throw new TendrilError('ROUTE_UNKNOWN', `there is nothing at ${path.slice(0, 256)}`, {
          remedy: 'see GET /v1/openapi.json',
        });
      const allow = possible.join(', ');
      reply.header('allow', allow);
      throw new TendrilError(
        'METHOD_NOT_ALLOWED',
        `${request.method} is not possible at ${path.slice(0, 256)}; allowed: ${allow}`,
      );
    } catch (error) {
      return this.#answers.fail(request, reply, error);
    }
  }
}

/** @param ports what the rest of Tendril gives; see ports.ts */
export const createAdminServer = (ports: AdminPorts, options: AdminOptions): AdminServer => new Server(ports, options);
