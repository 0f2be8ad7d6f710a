/** Writes answers and errors; counts both by status. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { TendrilError } from '../model/index.ts';
import { plainJson } from './json-plain.ts';
import type { AdminLogger } from './ports.ts';
import { PROBLEM_TYPE, type Problem, problemOf, problemOfError, retryAfter } from './problem.ts';
import type { Answer } from './route.ts';

export class Answers {
  readonly byStatus = new Map<number, number>();
  readonly #logger: AdminLogger;
  readonly #onAnswer: (request: FastifyRequest, status: number, body: unknown) => void;

  /** `onAnswer`: told of every answer before it is sent; must not throw. */
  constructor(logger: AdminLogger, onAnswer: (request: FastifyRequest, status: number, body: unknown) => void) {
    this.#logger = logger;
    this.#onAnswer = onAnswer;
  }

  count(status: number): void {
    this.byStatus.set(status, (this.byStatus.get(status) ?? 0) + 1);
  }

  send(request: FastifyRequest, reply: FastifyReply, answer: Answer): FastifyReply {
    const status = answer.status ?? 200;
    const type = answer.type ?? (status >= 400 ? PROBLEM_TYPE : 'application/json');
    this.#head(request, reply, status, type);
    if (answer.etag !== undefined) reply.header('etag', `"${answer.etag}"`);
    this.#onAnswer(request, status, answer.body);
    if (request.method !== 'GET' && request.method !== 'HEAD')
      this.#logger.info({ request: request.id, method: request.method, url: request.url, status }, 'write');
    // Only the text format of metrics is no JSON.
    const isText = typeof answer.body === 'string' && type.startsWith('text/');
    // As bytes: of a text fastify would add a charset to the type, which JSON types do not have.
    return reply.send(isText ? answer.body : Buffer.from(`${JSON.stringify(answer.body, plainJson)}\n`));
  }

  fail(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
    const problem = this.#problemOf(request, error);
    this.#head(request, reply, problem.status, PROBLEM_TYPE);
    this.#onAnswer(request, problem.status, problem);
    // The rest of a body that nobody reads would be taken for the next request.
    if (!request.raw.complete) reply.header('connection', 'close');
    return reply.send(Buffer.from(`${JSON.stringify(problem)}\n`));
  }

  #head(request: FastifyRequest, reply: FastifyReply, status: number, type: string): void {
    this.count(status);
    reply
      .code(status)
      .header('content-type', type)
      .header('cache-control', 'no-store')
      .header('x-request-id', request.id);
    const seconds = status >= 400 ? retryAfter(status) : undefined;
    if (seconds !== undefined) reply.header('retry-after', String(seconds));
  }

  #problemOf(request: FastifyRequest, error: unknown): Problem {
    const fields = { request: request.id, method: request.method, url: request.url };
    if (error instanceof TendrilError) {
      const problem = problemOfError(error, request.id);
      if (problem.status >= 500) this.#logger.warn({ ...fields, code: error.code, error }, 'request not served');
      else this.#logger.debug({ ...fields, code: error.code }, 'request refused');
      return problem;
    }
    const status = (error as { readonly statusCode?: unknown }).statusCode;
    if (typeof status === 'number' && status >= 400 && status < 500) {
      const code = status === 414 ? 'URL_TOO_LONG' : 'REQUEST_INVALID';
      return problemOf(status, code, error instanceof Error ? error.message : 'the request is not valid', {
        request: request.id,
      });
    }
    this.#logger.error({ ...fields, error }, 'request failed');
    return problemOf(500, 'INTERNAL', 'something went wrong inside; the log has it under this request', {
      remedy: `look for ${request.id} in the log of the control plane`,
      request: request.id,
    });
  }
}
