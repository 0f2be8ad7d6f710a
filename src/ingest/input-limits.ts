/**
 * Limits that hold for any JSON value from outside, before anything looks at its meaning: depth, size, names that reach into
 * prototypes, numbers that JSON cannot carry, texts that UTF-8 cannot carry (reliability 4c, "Input limits").
 */
import { type Finding, isForbiddenKey, pointerOf } from '../model/index.ts';

export interface InputLimits {
  /** Bytes of one event as JSON (256 KiB). */
  readonly eventBytes: number;
  /** Levels of arrays and objects, the event itself included (32). */
  readonly depth: number;
  /** UTF-16 units of one key (512). */
  readonly keyLength: number;
  /** Events of one batch (1,000). */
  readonly batchEvents: number;
  /** Of a `resource.put`: bytes as JSON (2 MiB: 1 MiB encoded, in base64, and room). */
  readonly rawBytes: number;
  /** Of a `resource.put`: levels (200: the 100 levels of messages that protobuf takes, each in a list). */
  readonly rawDepth: number;
}

export const DEFAULT_LIMITS: InputLimits = {
  eventBytes: 256 * 1024,
  depth: 32,
  keyLength: 512,
  batchEvents: 1_000,
  rawBytes: 2 * 1024 * 1024,
  rawDepth: 200,
};

/** True when the text has half of a surrogate pair: it would not survive UTF-8. (ES2024, in Node 20; not in our `lib` yet.) */
const isBroken = (text: string): boolean => !(text as string & { isWellFormed(): boolean }).isWellFormed();

/** JSON writes a UTF-16 unit in at most 6 bytes (an escape), a number in at most 25. */
const UNIT_BYTES = 6;
const NUMBER_BYTES = 26;

/**
 * The fast way through nearly every value: at least its size as JSON, or -1 when something has to be said about it.
 */
const quickBytes = (value: unknown, depth: number, limits: InputLimits): number => {
  if (typeof value === 'string') return isBroken(value) ? -1 : UNIT_BYTES * value.length + 3;
  if (typeof value === 'number') return Number.isFinite(value) ? NUMBER_BYTES : -1;
  if (value === null || typeof value === 'boolean' || value === undefined) return 6;
  if (typeof value !== 'object' || depth >= limits.depth) return -1;
  let bytes = 3;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const size = quickBytes(value[index], depth + 1, limits);
      if (size < 0) return -1;
      bytes += size;
    }
    return bytes;
  }
  for (const key in value) {
    if (isForbiddenKey(key) || key.length > limits.keyLength || isBroken(key)) return -1;
    const size = quickBytes((value as Record<string, unknown>)[key], depth + 1, limits);
    if (size < 0) return -1;
    bytes += UNIT_BYTES * key.length + 4 + size;
  }
  return bytes;
};

const shorten = (text: string): string => (text.length > 64 ? `${text.slice(0, 61)}…` : text);

class Walk {
  readonly #limits: InputLimits;
  readonly #path: (string | number)[] = [];
  /** Never above the true size as JSON. */
  bytes = 0;
  finding: Finding | undefined;

  constructor(limits: InputLimits) {
    this.#limits = limits;
  }

  #stop(code: string, message: string, hint?: string): false {
    this.finding = {
      code,
      severity: 'error',
      message,
      pointer: pointerOf(this.#path),
      ...(hint === undefined ? {} : { hint }),
    };
    return false;
  }

  #text(text: string): boolean {
    this.bytes += text.length + 2;
    return isBroken(text)
      ? this.#stop('E102', 'the text has half of a surrogate pair; allowed is text that UTF-8 can carry')
      : true;
  }

  #key(key: string): boolean {
    this.bytes += key.length + 3;
    if (isForbiddenKey(key)) return this.#stop('E101', `the name "${key}" is not allowed for any field`);
    if (key.length > this.#limits.keyLength)
      return this.#stop(
        'E106',
        `the name "${shorten(key)}" has ${key.length} characters, ${this.#limits.keyLength} allowed`,
      );
    return isBroken(key)
      ? this.#stop('E102', 'a name has half of a surrogate pair; allowed is text that UTF-8 can carry')
      : true;
  }

  /** False: a finding was made and the walk ends. */
  value(value: unknown, depth: number): boolean {
    switch (typeof value) {
      case 'string':
        return this.#text(value);
      case 'number':
        this.bytes += 1;
        return Number.isFinite(value) ? true : this.#stop('E102', `the number is ${value}; allowed are finite numbers`);
      case 'boolean':
      case 'undefined':
        this.bytes += 4;
        return true;
      case 'object':
        return value === null ? true : this.#container(value, depth + 1);
      default:
        return this.#stop('E102', `found a ${typeof value}; allowed are JSON values`);
    }
  }

  #container(value: object, depth: number): boolean {
    if (depth > this.#limits.depth)
      return this.#stop('E106', `nested deeper than ${this.#limits.depth} levels`, 'write it flatter');
    if (this.bytes > this.#limits.eventBytes) return true;
    if (Array.isArray(value)) {
      this.bytes += 1;
      for (let index = 0; index < value.length; index++) {
        this.#path.push(index);
        if (!this.value(value[index], depth)) return false;
        this.#path.pop();
      }
      return true;
    }
    this.bytes += 1;
    for (const key of Object.keys(value)) {
      this.#path.push(key);
      if (!this.#key(key) || !this.value((value as Record<string, unknown>)[key], depth)) return false;
      this.#path.pop();
    }
    return true;
  }
}

/** The first thing that breaks a limit, with its pointer into the value; undefined: none. */
export const limitFinding = (value: unknown, limits: InputLimits): Finding | undefined => {
  const quick = quickBytes(value, 0, limits);
  if (quick >= 0 && quick <= limits.eventBytes) return undefined;
  const walk = new Walk(limits);
  walk.value(value, 0);
  if (walk.finding !== undefined) return walk.finding;
  const size = walk.bytes > limits.eventBytes ? walk.bytes : Buffer.byteLength(JSON.stringify(value));
  if (size <= limits.eventBytes) return undefined;
  return {
    code: 'E106',
    severity: 'error',
    message: `the event has ${walk.bytes > limits.eventBytes ? 'more than ' : ''}${size} bytes, ${limits.eventBytes} allowed`,
    pointer: '',
    hint: 'split it: many things are many events, not one',
  };
};
