/**
 * What one request writes, gathered for the audit: its ports tell which events go into the log, its answer what became of them.
 * Without a trace a handler works the same.
 */
import type { IncomingMessage } from 'node:http';
import { isObject } from '../model/index.ts';
import type { AdminPorts, AuditedRequest, ObservedEvent } from './ports.ts';

/** Methods that change nothing. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

export const isWrite = (method: string | undefined): boolean => !SAFE.has(method ?? 'GET');

const count = (counts: Record<string, number>, name: string): void => {
  counts[name] = (counts[name] ?? 0) + 1;
};

/** What an answer says of the write. */
const outcomeOf = (
  body: unknown,
): Pick<AuditedRequest, 'code' | 'message' | 'statuses'> & { readonly dryRun: boolean } => {
  if (!isObject(body)) return { dryRun: false };
  const { code, detail, events, dryRun } = body;
  const statuses: Record<string, number> = {};
  for (const event of Array.isArray(events) ? events : [])
    if (isObject(event) && typeof event.status === 'string') count(statuses, event.status);
  return {
    dryRun: dryRun === true,
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof detail === 'string' ? { message: detail } : {}),
    ...(Object.keys(statuses).length === 0 ? {} : { statuses }),
  };
};

export class WriteTrace {
  readonly #caller: string;
  readonly #types: Record<string, number> = {};
  readonly #subjects = new Set<string>();
  readonly #sources = new Set<string>();
  readonly #offsets: number[] = [];
  #events = 0;
  #reason: string | undefined;

  constructor(caller: string) {
    this.#caller = caller;
  }

  /** The same ports, which tell this trace what is appended. */
  ports(ports: AdminPorts): AdminPorts {
    const { ingest, documents } = ports;
    const observe = (events: readonly ObservedEvent[], offsets: readonly number[] | undefined): void =>
      this.#observe(events, offsets);
    return {
      ...ports,
      ingest: { submit: (submission) => ingest.submit({ ...submission, observe }) },
      documents: {
        ofText: (text, options) => documents.ofText(text, options),
        ofJson: (value, options) => documents.ofJson(value, options),
        apply: (set, options) => documents.apply(set, { ...options, observe }),
        put: (ref, set, options) => documents.put(ref, set, { ...options, observe }),
        delete: (ref, options) => documents.delete(ref, { ...options, observe }),
        patch: (ref, patch, options) => documents.patch(ref, patch, { ...options, observe }),
      },
    };
  }

  /** Undefined: it was a dry run. `body`: of the answer. */
  entry(request: IncomingMessage, id: string, status: number, body: unknown): AuditedRequest | undefined {
    const { dryRun, ...outcome } = outcomeOf(body);
    if (dryRun) return undefined;
    const url = request.url ?? '';
    const { remoteAddress = 'unknown', remotePort } = request.socket;
    const isByOthers = this.#sources.size > 1 || (this.#sources.size === 1 && !this.#sources.has(this.#caller));
    return {
      who: this.#caller,
      from: remotePort === undefined ? remoteAddress : `${remoteAddress}:${remotePort}`,
      result: status < 400 ? 'accepted' : 'refused',
      method: request.method ?? '',
      target: url.split('?')[0] ?? '',
      status,
      ...outcome,
      ...(this.#events === 0 ? {} : { types: this.#types, subjects: [...this.#subjects], events: this.#events }),
      ...(isByOthers ? { sources: [...this.#sources] } : {}),
      ...(this.#offsets.length === 0 ? {} : { offsets: this.#offsets }),
      ...((this.#reason ?? reasonIn(url)) === undefined ? {} : { reason: this.#reason ?? reasonIn(url) ?? '' }),
      request: id,
    };
  }

  #observe(events: readonly ObservedEvent[], offsets: readonly number[] | undefined): void {
    for (const { type, subject, source, reason } of events) {
      this.#events++;
      count(this.#types, type);
      this.#subjects.add(subject);
      this.#sources.add(source);
      this.#reason ??= reason;
    }
    for (const offset of offsets ?? []) this.#offsets.push(offset);
  }
}

/** Of a request that was refused before its events were made. */
const reasonIn = (url: string): string | undefined => {
  const at = url.indexOf('?');
  return at < 0 ? undefined : (new URLSearchParams(url.slice(at + 1)).get('reason') ?? undefined);
};
