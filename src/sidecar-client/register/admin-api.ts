/** HTTP to the admin API of several control planes, tried in turn; the last one that answered is asked first. */
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { connect } from 'node:net';
import { TendrilError } from '../../model/basics.ts';

export interface AdminAnswer {
  readonly status: number;
  /** An object of JSON; {} when the answer was something else. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Offset in the ETag. */
  readonly offset: number | undefined;
}

export interface AdminRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  /** ms for one address (default 3,000). */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 3_000;
/** Of one answer; what is asked here is small. */
const MAX_BYTES = 1024 * 1024;

const unreachable = (address: string, why: string): TendrilError =>
  new TendrilError('SERVER_UNREACHABLE', `${address} does not answer (${why})`, {
    remedy: 'check that the control plane runs and that the address is its --admin address',
  });

const reasonOf = (error: unknown): string =>
  (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));

/** Throws `REGISTER_OPTIONS` when an address is no URL of HTTP. */
const addressesOf = (texts: readonly string[]): readonly URL[] => {
  const bad = (what: string): TendrilError =>
    new TendrilError('REGISTER_OPTIONS', `admin: ${what}`, {
      remedy: 'name the HTTP API of the control plane, such as http://127.0.0.1:18001',
    });
  if (texts.length === 0) throw bad('no address is given');
  return texts.map((text) => {
    if (!/^https?:\/\/./.test(text) || !URL.canParse(text)) throw bad(`"${text.slice(0, 80)}" is not a URL`);
    return new URL(text);
  });
};

export class AdminApi {
  readonly addresses: readonly URL[];
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: 4, maxFreeSockets: 1 });
  readonly #https = new HttpsAgent({ keepAlive: true, maxSockets: 4, maxFreeSockets: 1 });
  #first = 0;

  constructor(addresses: readonly string[]) {
    this.addresses = addressesOf(addresses);
  }

  /**
   * Asks one address after the other until one answers with a status below 500 that is not 429. Rejects with `SERVER_UNREACHABLE`, or the
   * last one's own error, when none does.
   */
  async request(request: AdminRequest): Promise<AdminAnswer> {
    let last: TendrilError | undefined;
    for (let tried = 0; tried < this.addresses.length; tried++) {
      const at = (this.#first + tried) % this.addresses.length;
      const address = this.addresses[at];
      if (address === undefined) break;
      try {
        const answer = await this.ask(address, request);
        if (answer.status < 500 && answer.status !== 429) {
          this.#first = at;
          return answer;
        }
        const detail = typeof answer.body.detail === 'string' ? answer.body.detail : `status ${answer.status}`;
        const code = typeof answer.body.code === 'string' ? answer.body.code : 'SERVER_UNREACHABLE';
        last = new TendrilError(code, `${address.host}: ${detail}`);
      } catch (error) {
        last = error instanceof TendrilError ? error : unreachable(address.host, reasonOf(error));
      }
    }
    this.#first = (this.#first + 1) % this.addresses.length;
    throw last ?? unreachable('no address', 'none is given');
  }

  /** Asks this one. Rejects with `SERVER_UNREACHABLE`. */
  async ask(address: URL, request: AdminRequest): Promise<AdminAnswer> {
    try {
      return await this.#once(address, request);
    } catch (error) {
      // A connection that was kept may have been closed at the other end just then; nothing was done.
      if (!(error instanceof Stale)) throw error;
      return this.#once(address, request);
    }
  }

  #once(address: URL, { method, path, body, timeoutMs = TIMEOUT_MS }: AdminRequest): Promise<AdminAnswer> {
    return new Promise((done, fail) => {
      const isTls = address.protocol === 'https:';
      const content = body === undefined ? undefined : JSON.stringify(body);
      const sent: ClientRequest = (isTls ? requestHttps : requestHttp)(new URL(path, address), {
        method,
        agent: isTls ? this.#https : this.#http,
        headers:
          content === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) },
      });
      const cut = setTimeout(
        () => sent.destroy(unreachable(address.host, `nothing within ${timeoutMs} ms`)),
        timeoutMs,
      );
      sent.on('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(cut);
        if (error instanceof TendrilError) fail(error);
        else if (sent.reusedSocket && error.code === 'ECONNRESET') fail(new Stale());
        else fail(unreachable(address.host, reasonOf(error)));
      });
      sent.on('response', (response) => {
        read(response).then(
          (answer) => {
            clearTimeout(cut);
            done(answer);
          },
          (error: unknown) => {
            clearTimeout(cut);
            sent.destroy();
            fail(error instanceof TendrilError ? error : unreachable(address.host, reasonOf(error)));
          },
        );
      });
      sent.end(content);
    });
  }

  /** The address of this machine on the way to the control plane. Rejects with `SERVER_UNREACHABLE`. */
  async localAddress(): Promise<string> {
    let last: unknown;
    for (const address of this.addresses)
      try {
        return await localAddressTo(address);
      } catch (error) {
        last = error;
      }
    throw last;
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

class Stale extends Error {}

const read = async (response: IncomingMessage): Promise<AdminAnswer> => {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response) {
    bytes += (part as Buffer).length;
    if (bytes > MAX_BYTES) throw new TendrilError('SERVER_UNKNOWN', `an answer of more than ${MAX_BYTES} bytes`);
    parts.push(part as Buffer);
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    body = undefined;
  }
  const [, offset] = /^(?:W\/)?"([0-9]+)"$/.exec(response.headers.etag ?? '') ?? [];
  return {
    status: response.statusCode ?? 0,
    body: typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {},
    offset: offset === undefined ? undefined : Number(offset),
  };
};

const localAddressTo = (address: URL): Promise<string> =>
  new Promise((done, fail) => {
    const host = address.hostname.replace(/^\[|\]$/g, '');
    const socket = connect({ host, port: Number(address.port || (address.protocol === 'https:' ? 443 : 80)) });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(unreachable(address.host, `nothing within ${TIMEOUT_MS} ms`)));
    socket.on('error', (error) =>
      fail(error instanceof TendrilError ? error : unreachable(address.host, reasonOf(error))),
    );
    socket.on('connect', () => {
      // An IPv4 address in IPv6 clothes is the IPv4 address.
      const local = socket.localAddress?.replace(/^::ffff:/, '');
      socket.destroy();
      if (local === undefined) fail(unreachable(address.host, 'the connection has no address'));
      else done(local);
    });
  });
