/** Bodies of requests: read with bounds, then UTF-8, then JSON or lines of JSON; every error has its place. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { TendrilError } from '../model/index.ts';
import { jsonError, lineAndColumn } from './json-error.ts';
import { refusal } from './problem.ts';

/** Nesting that is looked at before parsing; what reads the value allows less. */
const MAX_DEPTH = 256;
/** A refused body is read to its end, so that the client gets the answer; beyond these the connection is cut. */
const MAX_DISCARDED = 512 * 1024 * 1024;
const MAX_DISCARD_MS = 10_000;

export interface BodyLimits {
  /** Bytes of one body. */
  readonly bodyBytes: number;
  /** Bytes of all bodies being read at one time. */
  readonly allBodiesBytes: number;
}

/** Reads bodies; counts what all of them hold together. */
export class BodyReader {
  readonly #limits: BodyLimits;
  #held = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** By what the request announces. */
  isTooLarge(request: IncomingMessage): boolean {
    return Number(request.headers['content-length'] ?? 0) > this.#limits.bodyBytes;
  }

  tooLarge(size: string): TendrilError {
    const mib = Math.floor(this.#limits.bodyBytes / 1024 / 1024);
    return refusal('BODY_TOO_LARGE', `the body has ${size} bytes, ${this.#limits.bodyBytes} (${mib} MiB) are allowed`, {
      remedy: 'send it in several requests',
    });
  }

  /**
   * Rejects with `BODY_TOO_LARGE`, `BODIES_FULL` or `BODY_INCOMPLETE`; nothing above the limits is kept. A refused body is read
   * to its end and thrown away, so that a client that only listens after sending gets the answer.
   */
  read(request: IncomingMessage): Promise<Buffer> {
    let refused = this.isTooLarge(request) ? this.tooLarge(String(request.headers['content-length'])) : undefined;
    let chunks: Buffer[] = [];
    let kept = 0;
    let seen = 0;
    const drop = (error: TendrilError): void => {
      refused = error;
      chunks = [];
      this.#held -= kept;
      kept = 0;
    };
    return new Promise<Buffer>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      let isDone = false;
      /** Once: a request that has ended is closed, too. */
      const finish = (): void => {
        isDone = true;
        clearTimeout(timer);
        this.#held -= kept;
      };
      const giveUp = (error: TendrilError): void => {
        if (isDone) return;
        finish();
        request.removeListener('data', onData);
        reject(error);
      };
      const startDiscarding = (): void => {
        timer ??= setTimeout(() => giveUp(refused ?? this.tooLarge('too many')), MAX_DISCARD_MS);
      };
      const onData = (chunk: Buffer): void => {
        seen += chunk.length;
        if (refused === undefined) {
          kept += chunk.length;
          this.#held += chunk.length;
          chunks.push(chunk);
          if (kept > this.#limits.bodyBytes) drop(this.tooLarge(`more than ${this.#limits.bodyBytes}`));
          else if (this.#held > this.#limits.allBodiesBytes)
            drop(
              new TendrilError('BODIES_FULL', 'too many large requests at once', {
                remedy: 'try again in some seconds',
              }),
            );
        }
        if (refused === undefined) return;
        startDiscarding();
        if (seen > MAX_DISCARDED) giveUp(refused);
      };
      if (refused !== undefined) startDiscarding();
      request.on('data', onData);
      request.once('end', () => {
        if (refused !== undefined) return giveUp(refused);
        if (isDone) return;
        finish();
        resolve(Buffer.concat(chunks, kept));
      });
      const broken = (): void => {
        if (!isDone) giveUp(refused ?? new TendrilError('BODY_INCOMPLETE', 'the connection ended before the body did'));
      };
      request.once('error', broken);
      request.once('close', broken);
    });
  }
}

/** Bytes that must follow a first byte, and the bounds of the next one (Unicode 15, table 3-7); undefined: it starts nothing. */
const sequenceOf = (
  first: number,
): { readonly more: number; readonly low: number; readonly high: number } | undefined => {
  if (first < 0x80) return { more: 0, low: 0, high: 0 };
  if (first >= 0xc2 && first <= 0xdf) return { more: 1, low: 0x80, high: 0xbf };
  if (first >= 0xe0 && first <= 0xef)
    return { more: 2, low: first === 0xe0 ? 0xa0 : 0x80, high: first === 0xed ? 0x9f : 0xbf };
  if (first >= 0xf0 && first <= 0xf4)
    return { more: 3, low: first === 0xf0 ? 0x90 : 0x80, high: first === 0xf4 ? 0x8f : 0xbf };
  return undefined;
};

/** Offset of the first byte of the first sequence that is no UTF-8. */
const firstBadByte = (bytes: Uint8Array): number => {
  for (let at = 0; at < bytes.length; ) {
    const sequence = sequenceOf(bytes[at] ?? 0);
    if (sequence === undefined) return at;
    for (let offset = 1; offset <= sequence.more; offset++) {
      const byte = bytes[at + offset] ?? 0;
      const [low, high] = offset === 1 ? [sequence.low, sequence.high] : [0x80, 0xbf];
      if (byte < low || byte > high) return at;
    }
    at += 1 + sequence.more;
  }
  return bytes.length;
};

/** The text of a body. Throws E100 with the offset of the first bad byte. */
export const textOf = (bytes: Buffer): string => {
  if (!isUtf8(bytes)) {
    const at = firstBadByte(bytes);
    throw refusal('E100', `the body is not UTF-8: byte ${at} is 0x${(bytes[at] ?? 0).toString(16).padStart(2, '0')}`, {
      remedy: 'send UTF-8',
    });
  }
  // A byte order mark is no part of the text.
  return bytes.toString('utf8').replace(/^\ufeff/, '');
};

/** Offset at which brackets nest deeper than allowed; -1: nowhere. */
const tooDeepAt = (text: string): number => {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      for (at++; at < text.length && text.charCodeAt(at) !== 0x22; at++) if (text.charCodeAt(at) === 0x5c) at++;
    } else if (code === 0x5b || code === 0x7b) {
      if (++depth > MAX_DEPTH) return at;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return -1;
};

/** Throws E100 (no JSON) or E106 (nested too deep) with line and column. `firstLine`: line of the text in the body. */
export const parseJson = (text: string, firstLine = 1): unknown => {
  const deep = tooDeepAt(text);
  const place = (offset: number): { readonly line: number; readonly column: number } => {
    const found = lineAndColumn(text, offset);
    return { line: found.line + firstLine - 1, column: found.column };
  };
  if (deep >= 0)
    throw refusal('E106', `the JSON is nested deeper than ${MAX_DEPTH} levels`, {
      ...place(deep),
      remedy: 'write it flatter',
    });
  try {
    return JSON.parse(text);
  } catch {
    const error = jsonError(text) ?? { offset: 0, message: 'it cannot be read' };
    const { line, column } = place(error.offset);
    throw refusal('E100', `the body is not JSON: ${error.message} (line ${line}, column ${column})`, { line, column });
  }
};

export interface JsonLine {
  readonly value: unknown;
  /** 1-based. */
  readonly line: number;
}

/** One JSON value a line; empty lines are left out. At most `max` values, then `BATCH_TOO_LARGE`. */
export const parseJsonLines = (text: string, max: number): readonly JsonLine[] => {
  const lines: JsonLine[] = [];
  let line = 0;
  for (let start = 0; start <= text.length; ) {
    line++;
    const end = text.indexOf('\n', start);
    const content = text.slice(start, end < 0 ? text.length : end);
    if (content.trim() !== '') {
      if (lines.length >= max)
        throw refusal('BATCH_TOO_LARGE', `more than ${max} events were sent, ${max} are allowed at a time`, {
          remedy: 'send several batches',
        });
      lines.push({ value: parseJson(content, line), line });
    }
    if (end < 0) break;
    start = end + 1;
  }
  return lines;
};
