/**
 * Reading a snapshot.
 *
 * Invariants
 * R1 Nothing of a frame is given before its checksum holds; kinds come in their order, header first.
 * R2 The stream ends without an error only behind a complete end frame whose SHA-256 is that of all bytes before it.
 * R3 Never more than one frame (64 MiB) and one piece of the source are held.
 */
import { createHash } from 'node:crypto';
import { isObject, TendrilError } from '../../model/index.ts';
import {
  corrupt,
  FORMAT_VERSION,
  FRAME_HEAD_BYTES,
  KINDS,
  type Kind,
  MAGIC,
  MAX_FRAME_BYTES,
  parseJson,
} from './format.ts';
import { frameChecksum } from './write.ts';

export interface Frame {
  readonly kind: Kind;
  /** Valid until the next one is asked for. */
  readonly body: Buffer;
  /** Bytes of the stream up to its end. */
  readonly through: number;
}

const KNOWN: ReadonlySet<number> = new Set<number>(Object.values(KINDS));

/** Bytes of a source, as many as are asked for. */
class Intake {
  taken = 0;
  readonly #source: AsyncIterator<Uint8Array>;
  #pieces: Uint8Array[] = [];
  #held = 0;
  #over = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Undefined: the source ends before that. */
  async take(length: number): Promise<Buffer | undefined> {
    while (this.#held < length && !this.#over) {
      const { done, value } = await this.#source.next();
      if (done === true) this.#over = true;
      else {
        this.#pieces.push(value);
        this.#held += value.length;
      }
    }
    if (this.#held < length) return undefined;
    const [first] = this.#pieces;
    const all = this.#pieces.length === 1 && first !== undefined ? first : Buffer.concat(this.#pieces);
    const bytes = Buffer.from(all.buffer, all.byteOffset, all.length);
    this.#pieces = bytes.length === length ? [] : [bytes.subarray(length)];
    this.#held -= length;
    this.taken += length;
    return bytes.subarray(0, length);
  }

  async isOver(): Promise<boolean> {
    if (this.#held > 0) return false;
    const { done, value } = await this.#source.next();
    return done === true || value.length === 0;
  }

  /** Lets the source go when the reading ends early. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}

const readStart = async (intake: Intake): Promise<Buffer> => {
  const start = await intake.take(MAGIC.length + 4);
  if (start === undefined) throw corrupt('it ends where it should begin');
  if (!start.subarray(0, MAGIC.length).equals(MAGIC))
    throw corrupt(`it does not begin like a snapshot of Tendril, but with ${start.toString('hex')} (packed?)`);
  const version = start.readUInt32LE(MAGIC.length);
  if (version === 0) throw corrupt('it has no version');
  if (version > FORMAT_VERSION)
    throw new TendrilError(
      'DATA_FROM_NEWER_VERSION',
      `the snapshot has version ${version} of the format, this Tendril knows ${FORMAT_VERSION}`,
      { remedy: 'import it with the Tendril that wrote it, or a newer one' },
    );
  return start;
};

/** Frames but for the last, which is checked (R1, R2). @throws TendrilError `SNAPSHOT_CORRUPT`, `DATA_FROM_NEWER_VERSION`. */
export async function* readFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  const intake = new Intake(source);
  try {
    const sum = createHash('sha256');
    sum.update(await readStart(intake));
    for (let before = 0; ; ) {
      const head = await intake.take(FRAME_HEAD_BYTES);
      if (head === undefined) throw corrupt(`it ends after ${intake.taken} bytes`);
      const length = head.readUInt32LE(0);
      if (length === 0 || length > MAX_FRAME_BYTES) throw corrupt(`a part of ${length} bytes`);
      // Of the head there may be no more than this view.
      const start = Buffer.from(head);
      const rest = await intake.take(length);
      if (rest === undefined) throw corrupt(`it ends after ${intake.taken} bytes`);
      const bytes = Buffer.concat([start, rest]);
      if (frameChecksum(bytes) !== start.readUInt32LE(4)) throw corrupt(`wrong checksum before byte ${intake.taken}`);
      const kind = rest.readUInt8(0);
      const isInOrder = before === 0 ? kind === KINDS.header : kind >= before && kind !== KINDS.header;
      if (!KNOWN.has(kind) || !isInOrder) throw corrupt(`a part of kind ${kind} out of its order`);
      before = kind;
      if (kind === KINDS.end) {
        requireSum(rest.subarray(1), sum.digest('hex'));
        if (!(await intake.isOver())) throw corrupt('something follows on its end');
        return;
      }
      sum.update(bytes);
      yield { kind: kind as Kind, body: rest.subarray(1), through: intake.taken };
    }
  } finally {
    await intake.close();
  }
}

/** Passes a stream on, and rejects unless it was a whole snapshot: for whoever only carries it. */
export async function* wholeSnapshot(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const taken: Uint8Array[] = [];
  const tap = async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      taken.push(piece);
      yield piece;
    }
  };
  for await (const _ of readFrames(tap())) yield* taken.splice(0);
  yield* taken.splice(0);
}

/** R2 */
const requireSum = (body: Buffer, found: string): void => {
  const end = parseJson(body);
  if (!isObject(end) || end.sha256 !== found) throw corrupt('its SHA-256 is another one');
};
