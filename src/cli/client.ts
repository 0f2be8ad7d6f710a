/** HTTP to a running `tendril serve`. Problem answers (RFC 9457) become `TendrilError` with the server's code and findings. */
import { type Finding, TendrilError } from '../model/index.ts';
import { type Arguments, text } from './arguments.ts';
import type { Io } from './command.ts';

export const DEFAULT_SERVER = 'http://127.0.0.1:18001';

export interface ClientRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly body?: string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  /** Statuses besides 2xx that are answers, not errors. */
  readonly accept?: readonly number[];
}

export interface ClientResponse<T> {
  readonly status: number;
  readonly body: T;
  readonly etag: string | undefined;
}

interface Problem {
  readonly title?: string;
  readonly detail?: string;
  readonly code?: string;
  readonly hint?: string;
  readonly remedy?: string;
  readonly findings?: readonly Finding[];
}

export class AdminClient {
  readonly server: string;

  constructor(server: string) {
    this.server = server.replace(/\/$/, '');
    if (!/^https?:\/\//.test(this.server))
      throw new TendrilError('USAGE', `--server is "${server}"; allowed: a URL such as ${DEFAULT_SERVER}`);
  }

  async #fetch(path: string, request: ClientRequest): Promise<Response> {
    const url = new URL(`${this.server}${path}`);
    for (const [key, value] of Object.entries(request.query ?? {}))
      if (value !== undefined) url.searchParams.set(key, String(value));
    const headers = {
      ...(request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
      ...request.headers,
    };
    try {
      return await fetch(url, {
        method: request.method ?? 'GET',
        headers,
        ...(request.body === undefined ? {} : { body: request.body }),
      });
    } catch (cause) {
      throw new TendrilError('SERVER_UNREACHABLE', `cannot reach Tendril at ${this.server}`, {
        remedy: 'start it with: tendril serve   (another address: --server URL or TENDRIL_SERVER)',
        cause,
      });
    }
  }

  async request<T>(path: string, request: ClientRequest = {}): Promise<ClientResponse<T>> {
    const response = await this.#fetch(path, request);
    const text = await response.text();
    let body: unknown = text;
    if (/json/.test(response.headers.get('content-type') ?? '')) body = text === '' ? undefined : JSON.parse(text);
    if (!response.ok && request.accept?.includes(response.status) !== true) {
      const problem = (typeof body === 'object' && body !== null ? body : {}) as Problem;
      const remedy = problem.remedy ?? problem.hint;
      throw new TendrilError(
        problem.code ?? `HTTP_${response.status}`,
        problem.detail ?? problem.title ?? `HTTP ${response.status} ${text.slice(0, 200)}`,
        {
          ...(remedy === undefined ? {} : { remedy }),
          ...(problem.findings === undefined ? {} : { findings: problem.findings }),
        },
      );
    }
    return { status: response.status, body: body as T, etag: response.headers.get('etag') ?? undefined };
  }

  /** All pages of a list; `key` names the array of each page. */
  async *pages<T>(
    path: string,
    key: string,
    query: Readonly<Record<string, string | number | undefined>> = {},
  ): AsyncGenerator<T> {
    let next: string | number | undefined;
    do {
      const { body } = await this.request<Record<string, unknown>>(path, {
        query: { ...query, ...(next === undefined ? {} : { next }) },
      });
      yield* (body[key] ?? []) as T[];
      next = (body.next ?? undefined) as string | number | undefined;
    } while (next !== undefined);
  }

  /** Server-sent events until the signal ends them; yields each event's id and data. */
  async *stream(
    path: string,
    headers: Readonly<Record<string, string>>,
  ): AsyncGenerator<{ readonly id: string; readonly data: string }> {
    const response = await this.#fetch(path, { headers: { accept: 'text/event-stream', ...headers } });
    if (!response.ok || response.body === null)
      throw new TendrilError(`HTTP_${response.status}`, await response.text());
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      rest += decoder.decode(chunk as Uint8Array, { stream: true });
      const frames = rest.split('\n\n');
      rest = frames.pop() ?? '';
      for (const frame of frames) {
        const lines = frame.split('\n');
        const value = (field: string): string =>
          lines
            .filter((line) => line.startsWith(`${field}:`))
            .map((line) => line.slice(field.length + 1).trimStart())
            .join('\n');
        const data = value('data');
        if (data !== '') yield { id: value('id'), data };
      }
    }
  }
}

/** Client of the server named by `--server`, `TENDRIL_SERVER`, or the default. */
export const clientFor = (args: Arguments, io: Pick<Io, 'env'>): AdminClient =>
  new AdminClient(text(args, 'server') ?? io.env.TENDRIL_SERVER ?? DEFAULT_SERVER);
