/**
 * Packed form of an endpoint block, as stored (`eps/<service>/<block>`) and as kept in memory for large services.
 *
 * version · record count · first id · sources · templates (canonical JSON) · length of each record (3 bytes) · records {id,
 * offset, facets {source, rank, template, address, health, first}}. Numbers are varints, texts UTF-8 with their length in front.
 * Dictionaries hold each text once, in order of first use: equal records give equal bytes.
 */
import type { Health } from '../../model/index.ts';
import { byteWriter as writer } from './byte-writer.ts';
import { type EndpointFacet, type EndpointRecord, makeView, recordOf } from './endpoint-record.ts';
import { EndpointTemplate, type EndpointTemplateFields } from './endpoint-template.ts';

const VERSION = 1;
const LENGTH_BYTES = 3;
const HEALTHS: readonly (Health | undefined)[] = [undefined, 'healthy', 'draining', 'unhealthy'];

const healthCode = (health: Health | undefined): number => (health === undefined ? 0 : HEALTHS.indexOf(health));

/** Sources and templates of a block in order of first use; few, and mostly the same objects again. */
class Dictionaries {
  readonly sources: string[] = [];
  /** Different templates; of several objects that say the same, the first. */
  readonly templates: EndpointTemplate[] = [];
  /** Every template object met, and its place in `templates`. */
  private readonly met: EndpointTemplate[] = [];
  private readonly places: number[] = [];

  source(text: string): number {
    const index = this.sources.indexOf(text);
    return index >= 0 ? index : this.sources.push(text) - 1;
  }

  template(template: EndpointTemplate): number {
    const index = this.met.indexOf(template);
    if (index >= 0) return this.places[index] ?? 0;
    let place = this.templates.findIndex((known) => known.text === template.text);
    if (place < 0) place = this.templates.push(template) - 1;
    this.met.push(template);
    this.places.push(place);
    return place;
  }

  write(): void {
    writeTexts(this.sources);
    writeTexts(this.templates.map((template) => template.text));
  }
}

const writeTexts = (texts: readonly string[]): void => {
  writer.reserve(8);
  writer.number(texts.length);
  for (const text of texts) {
    writer.reserve(text.length * 3 + 8);
    writer.text(text);
  }
};

/** @param records at least one, ascending by id */
export const encodeBlock = (records: readonly EndpointRecord[]): Uint8Array => {
  const dictionaries = new Dictionaries();
  for (const { facets } of records) {
    for (const { source, template } of facets) {
      dictionaries.source(source);
      dictionaries.template(template);
    }
  }
  const first = records[0]?.id ?? '';
  writer.start();
  writer.reserve(first.length * 3 + 24);
  writer.number(VERSION);
  writer.number(records.length);
  writer.text(first);
  dictionaries.write();
  writer.reserve(records.length * LENGTH_BYTES);
  const lengthsAt = writer.length;
  for (let at = 0; at < records.length; at += 1) writer.short(0);
  let place = lengthsAt;
  for (const record of records) {
    const begin = writer.length;
    writeRecord(record, dictionaries);
    writer.shortAt(place, writer.length - begin);
    place += LENGTH_BYTES;
  }
  return writer.finish();
};

const writeRecord = ({ id, offset, facets }: EndpointRecord, dictionaries: Dictionaries): void => {
  writer.reserve(id.length * 3 + 24);
  writer.text(id);
  writer.number(offset);
  writer.number(facets.length);
  for (const { source, rank, template, view, first } of facets) {
    writer.reserve(view.address.length * 3 + 48);
    writer.number(dictionaries.source(source));
    writer.number(rank);
    writer.number(dictionaries.template(template));
    writer.text(view.address);
    writer.number(healthCode(view.health));
    writer.number(first);
  }
};

/** True when the record needs the same entries of the dictionaries as before, in the same order. */
const hasSameReferences = (before: EndpointRecord, after: EndpointRecord): boolean => {
  if (before.id !== after.id || before.facets.length !== after.facets.length) return false;
  for (let at = 0; at < before.facets.length; at += 1) {
    const old = before.facets[at];
    const now = after.facets[at];
    if (old?.source !== now?.source || old?.rank !== now?.rank || old?.template !== now?.template) return false;
  }
  return true;
};

const skipNumber = (bytes: Uint8Array, from: number): number => {
  let at = from;
  while ((bytes[at] ?? 0) > 0x7f) at += 1;
  return at + 1;
};

const skipText = (bytes: Uint8Array, from: number): number => {
  const first = bytes[from] ?? 0;
  if (first < 0x80) return from + 1 + first;
  const end = skipNumber(bytes, from);
  let length = 0;
  for (let at = end - 1; at >= from; at -= 1) length = length * 0x80 + ((bytes[at] ?? 0) & 0x7f);
  return end + length;
};

const skipDictionary = (bytes: Uint8Array, from: number): number => {
  const end = skipNumber(bytes, from);
  let count = 0;
  for (let at = end - 1; at >= from; at -= 1) count = count * 0x80 + ((bytes[at] ?? 0) & 0x7f);
  let at = end;
  for (; count > 0; count -= 1) at = skipText(bytes, at);
  return at;
};

/**
 * The same as `encodeBlock(after)`, made from the bytes of the block before: only records that changed are looked at, the
 * others are copied as they stand. Undefined when more than offsets, addresses and health changed: encode anew then.
 */
export const patchBlock = (
  old: Uint8Array,
  before: readonly EndpointRecord[],
  after: readonly EndpointRecord[],
): Uint8Array | undefined => {
  if (before.length !== after.length) return undefined;
  for (let index = 0; index < after.length; index += 1) {
    const was = before[index];
    const is = after[index];
    if (was !== is && (was === undefined || is === undefined || !hasSameReferences(was, is))) return undefined;
  }
  const lengthsAt = skipDictionary(old, skipDictionary(old, skipText(old, skipNumber(old, skipNumber(old, 0)))));
  const recordsAt = lengthsAt + after.length * LENGTH_BYTES;
  writer.start();
  writer.reserve(old.length);
  writer.copy(old, 0, recordsAt);
  let copied = recordsAt;
  let begin = recordsAt;
  for (let index = 0; index < after.length; index += 1) {
    const lengthAt = lengthsAt + index * LENGTH_BYTES;
    const end = begin + readShort(old, lengthAt);
    const record = after[index];
    if (record !== undefined && record !== before[index]) {
      writer.reserve(old.length - copied);
      writer.copy(old, copied, begin);
      const written = writer.length;
      patchRecord(old, begin, record);
      writer.shortAt(lengthAt, writer.length - written);
      copied = end;
    }
    begin = end;
  }
  writer.reserve(old.length - copied);
  writer.copy(old, copied, old.length);
  return writer.finish();
};

const readShort = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);

/** Writes a record whose id and references into the dictionaries stand at `begin` of the old bytes. */
const patchRecord = (old: Uint8Array, begin: number, record: EndpointRecord): void => {
  const offsetAt = skipText(old, begin);
  const countAt = skipNumber(old, offsetAt);
  let at = skipNumber(old, countAt);
  writer.reserve(offsetAt - begin + 24);
  writer.copy(old, begin, offsetAt);
  writer.number(record.offset);
  writer.copy(old, countAt, at);
  for (const { view, first } of record.facets) {
    const addressAt = skipNumber(old, skipNumber(old, skipNumber(old, at)));
    writer.reserve(addressAt - at + view.address.length * 3 + 24);
    writer.copy(old, at, addressAt);
    writer.text(view.address);
    writer.number(healthCode(view.health));
    writer.number(first);
    at = skipNumber(old, skipText(old, addressAt) + 1);
  }
};

/** Reads what the writer wrote; throws RangeError when the bytes end early. */
class Reader {
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  number(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new RangeError('endpoint block is cut off');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  text(): string {
    const length = this.number();
    const end = this.at + length;
    if (end > this.bytes.length) throw new RangeError('endpoint block is cut off');
    const text = this.bytes.toString('utf8', this.at, end);
    this.at = end;
    return text;
  }

  skip(bytes: number): void {
    this.at += bytes;
  }

  texts(): string[] {
    return Array.from({ length: this.number() }, () => this.text());
  }
}

const readHeader = (reader: Reader): { readonly size: number; readonly first: string } => {
  const version = reader.number();
  if (version !== VERSION) throw new RangeError(`endpoint block of version ${version}, this build reads ${VERSION}`);
  return { size: reader.number(), first: reader.text() };
};

/** Number of records and the first id, without decoding the rest. */
export const peekBlock = (bytes: Uint8Array): { readonly size: number; readonly first: string } =>
  readHeader(new Reader(bytes));

const readFacet = (
  reader: Reader,
  id: string,
  sources: readonly string[],
  templates: readonly EndpointTemplate[],
): EndpointFacet => {
  const source = sources[reader.number()];
  const rank = reader.number();
  const template = templates[reader.number()];
  const address = reader.text();
  const health = HEALTHS[reader.number()];
  const first = reader.number();
  if (source === undefined || template === undefined) throw new RangeError(`endpoint ${id} refers to nothing`);
  return { source, rank, first, template, view: makeView(id, address, health, template) };
};

/** Throws RangeError when the bytes are not a whole block of a known version. */
export const decodeBlock = (bytes: Uint8Array): readonly EndpointRecord[] => {
  const reader = new Reader(bytes);
  const { size } = readHeader(reader);
  const sources = reader.texts();
  const templates = reader.texts().map((text) => new EndpointTemplate(JSON.parse(text) as EndpointTemplateFields));
  reader.skip(size * LENGTH_BYTES);
  const records: EndpointRecord[] = [];
  for (let at = 0; at < size; at += 1) {
    const id = reader.text();
    const offset = reader.number();
    const facets: EndpointFacet[] = [];
    for (let left = reader.number(); left > 0; left -= 1) facets.push(readFacet(reader, id, sources, templates));
    const record = recordOf(id, offset, facets, undefined);
    if (record === undefined) throw new RangeError(`endpoint ${id} has no source`);
    records.push(record);
  }
  return records;
};
