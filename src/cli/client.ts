/** HTTP to a running `tendril serve`. Problem answers (RFC 9457) become `TendrilError` with the server's code and findings. */
import { type Finding, TendrilError } from '../model/index.ts';
import { type Arguments, text, usageError } from './arguments.ts';
import type { Io } from './command.ts';

const DEFAULT_SERVER = 'http://127.0.0.1:18001';

const TIMEOUT_MS = 60_000;

type Query = Readonly<Record<string, string | number | undefined>>;

export interface ClientRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** JSON. */
  readonly body?: string;
  readonly query?: Query;
  /** How long an answer may take, ms (default 60,000). */
  readonly timeoutMs?: number;
  /** Statuses besides 2xx that are answers, not errors. */
  readonly accept?: readonly number[];
  /** Error code -> command that helps, in place of the server's words, which speak of HTTP. */
  readonly remedies?: Readonly<Record<string, string>>;
}

export interface ClientResponse<T> {
  readonly status: number;
  readonly body: T;
}

interface Problem {
  readonly title?: string;
  readonly detail?: string;
  readonly code?: string;
  readonly remedy?: string;
  readonly findings?: readonly Finding[];
}

/** Why a connection failed, from the depths of fetch. */
const reasonOf = (error: unknown): string => {
  const { cause } = error as { readonly cause?: { readonly code?: unknown; readonly message?: unknown } };
  return String(cause?.code ?? cause?.message ?? (error instanceof Error ? error.message : error));
};

const problemError = (
  status: number,
  content: string,
  isJson: boolean,
  remedies: ClientRequest['remedies'],
): TendrilError => {
  let problem: Problem = {};
  try {
    if (isJson) problem = (JSON.parse(content) ?? {}) as Problem;
  } catch {
    // The status and the text have to do.
  }
  const code = problem.code ?? `HTTP_${status}`;
  const own = remedies?.[code];
  const remedy = own ?? problem.remedy ?? (problem.code === undefined ? 'tendril check' : undefined);
  const message = problem.detail ?? problem.title ?? `the server answered ${status}: ${content.slice(0, 200).trim()}`;
  const findings = problem.findings?.map(({ hint, ...finding }) =>
    own !== undefined || hint === undefined ? finding : { ...finding, hint },
  );
  return new TendrilError(code, message, {
    ...(remedy === undefined ? {} : { remedy }),
    ...(findings === undefined ? {} : { findings }),
  });
};

const API_REMEDY = 'name the HTTP API of `tendril serve` with --server URL';

export class AdminClient {
  readonly server: string;

  constructor(server: string) {
    this.server = server.replace(/\/+$/, '');
    if (!/^https?:\/\/./.test(this.server) || !URL.canParse(this.server))
      throw usageError(`--server is "${server}"; allowed: a URL such as ${DEFAULT_SERVER}`);
  }

  async #fetch(
    path: string,
    request: ClientRequest & { readonly headers?: Readonly<Record<string, string>>; readonly signal?: AbortSignal },
  ): Promise<Response> {
    const url = new URL(`${this.server}${path}`);
    for (const [key, value] of Object.entries(request.query ?? {}))
      if (value !== undefined) url.searchParams.set(key, String(value));
    try {
      return await fetch(url, {
        method: request.method ?? 'GET',
        headers: { ...(request.body === undefined ? {} : { 'content-type': 'application/json' }), ...request.headers },
        ...(request.body === undefined ? {} : { body: request.body }),
        signal: request.signal ?? AbortSignal.timeout(request.timeoutMs ?? TIMEOUT_MS),
      });
    } catch (cause) {
      throw new TendrilError('SERVER_UNREACHABLE', `cannot reach Tendril at ${this.server} (${reasonOf(cause)})`, {
        remedy: 'start it with: tendril serve   (another address: --server URL or TENDRIL_SERVER)',
        cause,
      });
    }
  }

  /** An answer of any length, piece by piece, with its headers. Rejects with `SERVER_UNREACHABLE` when the connection breaks. */
  async bytes(
    path: string,
    query: Query,
    signal: AbortSignal,
  ): Promise<{ readonly headers: Headers; readonly bytes: AsyncIterable<Uint8Array> }> {
    const response = await this.#fetch(path, { query, signal });
    const { body, headers } = response;
    if (!response.ok || body === null)
      throw problemError(response.status, await response.text(), /json/.test(headers.get('content-type') ?? ''), {});
    return { headers, bytes: this.#pieces(response, body) };
  }

  /** Holds the response: fetch empties the body of one that is collected before anybody reads. */
  async *#pieces(response: Response, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* body;
      // The last use of it stands behind the last byte.
      if (!response.bodyUsed) throw new Error('nothing was read');
    } catch (cause) {
      throw new TendrilError('SERVER_UNREACHABLE', `the connection to ${this.server} broke (${reasonOf(cause)})`, {
        remedy: 'tendril check',
        cause,
      });
    }
  }

  /** An answer that is a text, as it is. */
  async text(path: string, query: Query): Promise<string> {
    const response = await this.#fetch(path, { query });
    const content = await response.text();
    if (response.ok) return content;
    throw problemError(response.status, content, /json/.test(response.headers.get('content-type') ?? ''), {});
  }

  async request<T>(path: string, request: ClientRequest = {}): Promise<ClientResponse<T>> {
    const response = await this.#fetch(path, request);
    let content: string;
    try {
      content = await response.text();
    } catch (cause) {
      throw new TendrilError('SERVER_UNREACHABLE', `${this.server} broke off its answer (${reasonOf(cause)})`, {
        remedy: 'tendril check',
        cause,
      });
    }
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    // What the xDS port says to HTTP/1 (src/delta-xds/h2/connection.ts).
    if (!isJson && content.startsWith('This port speaks gRPC'))
      throw new TendrilError('SERVER_UNKNOWN', `${this.server} is the xDS port, which speaks gRPC`, {
        remedy: API_REMEDY,
      });
    if (!response.ok && request.accept?.includes(response.status) !== true)
      throw problemError(response.status, content, isJson, request.remedies);
    if (!isJson)
      throw new TendrilError('SERVER_UNKNOWN', `${this.server} does not answer like Tendril`, {
        remedy: API_REMEDY,
      });
    return { status: response.status, body: JSON.parse(content) as T };
  }

  /** All pages of a list; `key` names the array of each page. */
  async *pages<T>(
    path: string,
    key: string,
    query: Query = {},
    remedies: ClientRequest['remedies'] = {},
  ): AsyncGenerator<T> {
    let next: string | number | undefined;
    do {
      const { body } = await this.request<Record<string, unknown>>(path, {
        query: { ...query, ...(next === undefined ? {} : { next }) },
        remedies,
      });
      yield* (body[key] ?? []) as T[];
      next = (body.next ?? undefined) as string | number | undefined;
    } while (next !== undefined);
  }

  /** All rows of all pages. */
  async all<T>(path: string, key: string, query: Query = {}, remedies: ClientRequest['remedies'] = {}): Promise<T[]> {
    const rows: T[] = [];
    for await (const row of this.pages<T>(path, key, query, remedies)) rows.push(row);
    return rows;
  }

  /**
   * Server-sent events until the server ends them or the signal does; yields the data of each event, and undefined once when
   * the stream is there. Rejects with `SERVER_UNREACHABLE` when the connection breaks.
   */
  async *stream(path: string, query: Query, signal: AbortSignal): AsyncGenerator<string | undefined> {
    const response = await this.#fetch(path, { query, headers: { accept: 'text/event-stream' }, signal });
    if (!response.ok || response.body === null)
      throw problemError(
        response.status,
        await response.text(),
        /json/.test(response.headers.get('content-type') ?? ''),
        {},
      );
    yield undefined;
    let rest = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body) {
        rest += decoder.decode(chunk as Uint8Array, { stream: true });
        const frames = rest.split('\n\n');
        rest = frames.pop() ?? '';
        for (const frame of frames) {
          const data = frame
            .split('\n')
            .filter((line) => line.startsWith('data:'))
            .map((line) => line.slice('data:'.length).trimStart())
            .join('\n');
          if (data !== '') yield data;
        }
      }
    } catch (cause) {
      throw new TendrilError('SERVER_UNREACHABLE', `the connection to ${this.server} broke (${reasonOf(cause)})`, {
        remedy: 'tendril check',
        cause,
      });
    }
  }
}

/** Client of the server named by `--server`, `TENDRIL_SERVER`, or the default. */
export const clientFor = (args: Arguments, io: Pick<Io, 'env'>): AdminClient =>
  new AdminClient(text(args, 'server') ?? io.env.TENDRIL_SERVER ?? DEFAULT_SERVER);
