/**
 * A raw resource as it was put (contracts, "Raw resources") -> what is stored of it. Pure, so that every replica and every replay has
 * the same bytes; validated by decoding only. What it accepts grows with the descriptors: then the fold's version is raised.
 */
import { compareText, isObject, pointerOf } from '../model/index.ts';
import {
  CDS,
  contentVersion,
  ECDS,
  EDS,
  encodeResourceJson,
  LDS,
  lastOf,
  ProtoJsonError,
  RDS,
  RTDS,
  SDS,
  SRDS,
  textOf,
  textsAt,
  VHDS,
  withoutField,
} from '../proto/index.ts';

/** Bytes of one encoded raw resource. */
export const MAX_RAW_BYTES = 1024 * 1024;

export interface RawResource {
  /** Content hash, as of compiled resources. */
  readonly version: string;
  /** Value of the `Any`; of a virtual host without its name, as compiled ones are kept. */
  readonly body: Uint8Array;
  /** Virtual host: lower case, as they stand. */
  readonly domains?: readonly string[];
  /** Virtual host: clusters that its routes name, sorted. */
  readonly clusters?: readonly string[];
  /** Cluster of type EDS: its EDS service name. */
  readonly eds?: string;
}

export interface RawProblem {
  /** As in docs/errors.md. */
  readonly code: string;
  readonly message: string;
  /** RFC 6901, into the event's data. */
  readonly pointer: string;
  readonly hint?: string;
}

/** Types whose own name must be that of the resource; all of them have it in field 1. */
const NAME_FIELDS: ReadonlyMap<string, string> = new Map([
  [LDS, 'name'],
  [RDS, 'name'],
  [VHDS, 'name'],
  [SRDS, 'name'],
  [CDS, 'name'],
  [EDS, 'cluster_name'],
  [SDS, 'name'],
  [ECDS, 'name'],
  [RTDS, 'name'],
]);
const NAME = 1;

/** Field numbers in envoy.config.route.v3. */
const DOMAINS = [2];
const CLUSTER_PATHS: readonly (readonly number[])[] = [
  // routes . route . cluster | weighted_clusters.clusters.name | request_mirror_policies.cluster
  [3, 2, 1],
  [3, 2, 3, 1, 1],
  [3, 2, 30, 1],
  // request_mirror_policies.cluster
  [22, 1],
];

/** Field numbers in envoy.config.cluster.v3.Cluster. */
const CLUSTER_TYPE = 2;
const CUSTOM_CLUSTER_TYPE = 38;
const EDS_SERVICE_NAME = [3, 2];
const TYPE_EDS = 3;

const edsOf = (body: Uint8Array): string | undefined => {
  const type = lastOf(body, [CLUSTER_TYPE, CUSTOM_CLUSTER_TYPE]);
  if (type?.field !== CLUSTER_TYPE || type.value !== TYPE_EDS) return undefined;
  const name = textsAt(body, EDS_SERVICE_NAME).at(-1) ?? '';
  return name === '' ? textOf(body, NAME) : name;
};

const stored = (typeUrl: string, bytes: Uint8Array): RawResource => {
  if (typeUrl === VHDS) {
    const body = withoutField(bytes, NAME);
    const domains = textsAt(bytes, DOMAINS).map((domain) => domain.toLowerCase());
    const clusters = CLUSTER_PATHS.flatMap((path) => textsAt(bytes, path)).filter((name) => name !== '');
    return {
      version: contentVersion([body]),
      body,
      domains: [...new Set(domains)],
      clusters: [...new Set(clusters)].sort(compareText),
    };
  }
  const eds = typeUrl === CDS ? edsOf(bytes) : undefined;
  const body = Uint8Array.from(bytes);
  return { version: contentVersion([body]), body, ...(eds === undefined ? {} : { eds }) };
};

const FORMS = '{"@type": "<type URL>", …fields…} or {"@type": "<type URL>", "value": "<base64>"}';

/** Undefined: `resource` is an object that says it is of the type. */
const typeProblem = (typeUrl: string, resource: unknown): RawProblem | undefined => {
  if (!isObject(resource))
    return { code: 'E102', pointer: '/resource', message: `the resource is no object; allowed is ${FORMS}` };
  const type = resource['@type'];
  if (type === typeUrl) return undefined;
  const hint = `write "@type": ${JSON.stringify(typeUrl)}`;
  if (type === undefined)
    return { code: 'E103', pointer: '/resource', message: '"@type" is missing in the resource', hint };
  const found = JSON.stringify(type) ?? 'nothing';
  return {
    code: 'E102',
    pointer: '/resource/@type',
    message: `@type is ${found.slice(0, 200)}, but typeUrl is ${JSON.stringify(typeUrl)}; allowed is the same twice`,
    hint,
  };
};

const nameProblem = (typeUrl: string, name: string, bytes: Uint8Array): RawProblem | undefined => {
  const field = NAME_FIELDS.get(typeUrl);
  if (field === undefined) return undefined;
  const own = textOf(bytes, NAME);
  if (own === name) return undefined;
  return {
    code: 'E104',
    pointer: '/name',
    message: `the resource is put as ${JSON.stringify(name)}, but its own ${field} is ${JSON.stringify(own.slice(0, 512))}; allowed is the same name twice`,
    hint: `change ${field} in the resource, or the name of the event`,
  };
};

/** What is wrong with the content of a `resource.put`; undefined: it can be served. */
export const rawProblem = (data: {
  readonly typeUrl: string;
  readonly name: string;
  readonly resource?: unknown;
}): RawProblem | undefined => {
  const read = readRawResource(data.typeUrl, data.name, data.resource);
  return 'code' in read ? read : undefined;
};

/**
 * Reads a raw resource; an answer with `code` says what is wrong with it.
 * @param typeUrl @param name as the event says them, checked by `rawRefProblem`
 */
export const readRawResource = (typeUrl: string, name: string, resource: unknown): RawResource | RawProblem => {
  const wrongType = typeProblem(typeUrl, resource);
  if (wrongType !== undefined) return wrongType;
  let bytes: Uint8Array;
  try {
    bytes = encodeResourceJson(typeUrl, resource as Record<string, unknown>);
  } catch (error) {
    if (!(error instanceof ProtoJsonError)) throw error;
    const { code, path, message, hint } = error;
    return { code, pointer: pointerOf(['resource', ...path]), message, ...(hint === undefined ? {} : { hint }) };
  }
  if (bytes.length > MAX_RAW_BYTES)
    return {
      code: 'E106',
      pointer: '/resource',
      message: `the resource has ${bytes.length} bytes encoded, ${MAX_RAW_BYTES} are allowed`,
      hint: 'split it',
    };
  return nameProblem(typeUrl, name, bytes) ?? stored(typeUrl, bytes);
};
