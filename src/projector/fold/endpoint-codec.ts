/**
 * Packed form of an endpoint block, as stored (`eps/<service>/<block>`) and as kept in memory for large services.
 *
 * version · record count · first id · sources · templates (canonical JSON) · length of each record (3 bytes) · records {id,
 * offset, facets {source, rank, template, address, weight + 1 or 0, health, first}}. Numbers are varints, texts UTF-8 with their length in front.
 * Dictionaries hold each text once, in order of first use: equal records give equal bytes.
 */
import type { EndpointView } from '../../compile/index.ts';
import type { Health } from '../../model/index.ts';
import { ByteReader } from './byte-reader.ts';
import { byteWriter as writer } from './byte-writer.ts';
import { type EndpointFacet, type EndpointRecord, makeView, recordOf } from './endpoint-record.ts';
import { EndpointTemplate, type EndpointTemplateFields } from './endpoint-template.ts';

const VERSION = 1;
/** Of a record's length in the list before the records. */
export const LENGTH_BYTES = 3;
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
    writeWord(view, first);
  }
};

/** What a facet says of itself alone. */
export const writeWord = ({ address, weight, health }: EndpointView, first: number): void => {
  writer.text(address);
  writer.number(weight === undefined ? 0 : weight + 1);
  writer.number(healthCode(health));
  writer.number(first);
};

const readHeader = (reader: ByteReader): { readonly size: number; readonly first: string } => {
  const version = reader.number();
  if (version !== VERSION) throw new RangeError(`endpoint block of version ${version}, this build reads ${VERSION}`);
  return { size: reader.number(), first: reader.text() };
};

/** Number of records and the first id, without decoding the rest. */
export const peekBlock = (bytes: Uint8Array): { readonly size: number; readonly first: string } =>
  readHeader(new ByteReader(bytes));

const readFacet = (
  reader: ByteReader,
  id: string,
  sources: readonly string[],
  templates: readonly EndpointTemplate[],
): EndpointFacet => {
  const source = sources[reader.number()];
  const rank = reader.number();
  const template = templates[reader.number()];
  const address = reader.text();
  const weight = reader.number();
  const health = HEALTHS[reader.number()];
  const first = reader.number();
  if (source === undefined || template === undefined) throw new RangeError(`endpoint ${id} refers to nothing`);
  return {
    source,
    rank,
    first,
    template,
    view: makeView(id, address, weight === 0 ? undefined : weight - 1, health, template),
  };
};

/** Templates by their text: what a service's endpoints say alike stands in all of its blocks, and these are decoded again and again. */
const known = new Map<string, EndpointTemplate>();
const MOST_KNOWN = 4_096;

const templateIn = (text: string): EndpointTemplate => {
  let template = known.get(text);
  if (template === undefined) {
    if (known.size >= MOST_KNOWN) known.clear();
    template = new EndpointTemplate(JSON.parse(text) as EndpointTemplateFields);
    known.set(text, template);
  }
  return template;
};

/** Throws RangeError when the bytes are not a whole block of a known version. */
export const decodeBlock = (bytes: Uint8Array): readonly EndpointRecord[] => {
  const reader = new ByteReader(bytes);
  const { size } = readHeader(reader);
  const sources = reader.texts();
  const templates = reader.texts().map(templateIn);
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
