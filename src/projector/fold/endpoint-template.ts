/** Fields that endpoints of one service usually share: one object for all of them, compared once instead of copied often. */
import type { Locality } from '../../model/index.ts';

export interface EndpointTemplateFields {
  readonly ports?: Readonly<Record<string, number>>;
  readonly inbound?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly locality?: Locality;
  readonly weight?: number;
  readonly serviceAccount?: string;
}

type Fields = Readonly<Record<string, unknown>>;

const sizeOf = (map: object | undefined): number => {
  let size = 0;
  for (const _ in map) size += 1;
  return size;
};

/** True when all `size` fields of `known` are those of `word`, and it has no others. An empty map says the same as none. */
const isSameMap = (word: object | undefined, known: object | undefined, size: number): boolean => {
  if (word === known) return true;
  let left = size;
  for (const key in word) {
    if (known === undefined || (known as Fields)[key] !== (word as Fields)[key]) return false;
    left -= 1;
  }
  return left === 0;
};

const sorted = <T extends object>(map: T | undefined): T | undefined => {
  if (map === undefined) return undefined;
  const keys = Object.keys(map);
  if (keys.length < 2) return map;
  return Object.fromEntries(keys.sort().map((key) => [key, (map as Fields)[key]])) as T;
};

const inOrder = ({ inbound, labels, locality, ports, serviceAccount, weight }: EndpointTemplateFields): object => ({
  inbound: sorted(inbound),
  labels: sorted(labels),
  locality: sorted(locality),
  ports: sorted(ports),
  serviceAccount,
  weight,
});

export class EndpointTemplate {
  readonly fields: EndpointTemplateFields;
  private readonly ports: number;
  private readonly inbound: number;
  private readonly labels: number;
  private readonly locality: number;
  private cachedText: string | undefined;

  /** Takes the fields over; empty maps are left out. */
  constructor(word: EndpointTemplateFields) {
    this.ports = sizeOf(word.ports);
    this.inbound = sizeOf(word.inbound);
    this.labels = sizeOf(word.labels);
    this.locality = sizeOf(word.locality);
    const fields: { -readonly [K in keyof EndpointTemplateFields]: EndpointTemplateFields[K] } = {};
    if (word.ports !== undefined && this.ports > 0) fields.ports = word.ports;
    if (word.inbound !== undefined && this.inbound > 0) fields.inbound = word.inbound;
    if (word.labels !== undefined && this.labels > 0) fields.labels = word.labels;
    if (word.locality !== undefined && this.locality > 0) fields.locality = word.locality;
    if (word.weight !== undefined) fields.weight = word.weight;
    if (word.serviceAccount !== undefined) fields.serviceAccount = word.serviceAccount;
    this.fields = fields;
  }

  /** JSON of the fields, the same for equal fields in whatever order they came. */
  get text(): string {
    this.cachedText ??= JSON.stringify(inOrder(this.fields));
    return this.cachedText;
  }

  says(word: EndpointTemplateFields): boolean {
    const { fields } = this;
    return (
      word.weight === fields.weight &&
      word.serviceAccount === fields.serviceAccount &&
      isSameMap(word.labels, fields.labels, this.labels) &&
      isSameMap(word.locality, fields.locality, this.locality) &&
      isSameMap(word.ports, fields.ports, this.ports) &&
      isSameMap(word.inbound, fields.inbound, this.inbound)
    );
  }
}

export const isSameTemplate = (a: EndpointTemplate, b: EndpointTemplate): boolean => a === b || a.says(b.fields);

/** Templates of a service that are looked at for a new endpoint, the latest ones. */
const MAX_CANDIDATES = 8;

/** The template of a word: one that says the same already, else a new one. */
export const templateOf = (
  word: EndpointTemplateFields,
  before: EndpointTemplate | undefined,
  candidates: readonly EndpointTemplate[],
): EndpointTemplate => {
  if (before?.says(word) === true) return before;
  for (const candidate of candidates) if (candidate.says(word)) return candidate;
  return new EndpointTemplate(word);
};

/** The candidates with this template among them. */
export const withCandidate = (
  candidates: readonly EndpointTemplate[],
  template: EndpointTemplate,
): readonly EndpointTemplate[] =>
  candidates.includes(template) ? candidates : [template, ...candidates.slice(0, MAX_CANDIDATES - 1)];
