/** Fields that endpoints of one service usually share: one object for all of them, compared once instead of copied often. */
import type { Locality } from '../../model/index.ts';

export interface EndpointTemplateFields {
  readonly ports?: Readonly<Record<string, number>>;
  readonly inbound?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly locality?: Locality;
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

const inOrder = ({ inbound, labels, locality, ports, serviceAccount }: EndpointTemplate): object => ({
  inbound: sorted(inbound),
  labels: sorted(labels),
  locality: sorted(locality),
  ports: sorted(ports),
  serviceAccount,
});

const orAbsent = <T extends object>(map: T | undefined, size: number): T | undefined => (size === 0 ? undefined : map);

/** Empty maps are absent. All templates have one shape, so that reading them is cheap. */
export class EndpointTemplate {
  readonly ports: EndpointTemplateFields['ports'] | undefined;
  readonly inbound: EndpointTemplateFields['inbound'] | undefined;
  readonly labels: EndpointTemplateFields['labels'] | undefined;
  readonly locality: EndpointTemplateFields['locality'] | undefined;
  readonly serviceAccount: string | undefined;
  private readonly portsSize: number;
  private readonly inboundSize: number;
  private readonly labelsSize: number;
  private readonly localitySize: number;
  private cachedText: string | undefined;

  constructor(word: EndpointTemplateFields) {
    this.portsSize = sizeOf(word.ports);
    this.inboundSize = sizeOf(word.inbound);
    this.labelsSize = sizeOf(word.labels);
    this.localitySize = sizeOf(word.locality);
    this.ports = orAbsent(word.ports, this.portsSize);
    this.inbound = orAbsent(word.inbound, this.inboundSize);
    this.labels = orAbsent(word.labels, this.labelsSize);
    this.locality = orAbsent(word.locality, this.localitySize);
    this.serviceAccount = word.serviceAccount;
    this.cachedText = undefined;
  }

  /** JSON of the fields, the same for equal fields in whatever order they came. */
  get text(): string {
    this.cachedText ??= JSON.stringify(inOrder(this));
    return this.cachedText;
  }

  says(word: EndpointTemplateFields): boolean {
    return (
      word.serviceAccount === this.serviceAccount &&
      isSameMap(word.labels, this.labels, this.labelsSize) &&
      isSameMap(word.locality, this.locality, this.localitySize) &&
      isSameMap(word.ports, this.ports, this.portsSize) &&
      isSameMap(word.inbound, this.inbound, this.inboundSize)
    );
  }
}

export const isSameTemplate = (a: EndpointTemplate, b: EndpointTemplate): boolean => a === b || a.text === b.text;

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
