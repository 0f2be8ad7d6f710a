/**
 * Names of raw resources: a node ('' stands for every node), a type URL, a name.
 *
 * A key has the form `<node, percent-encoded>|<type URL>|<name>`, a set of one node and type `<node, percent-encoded>|<type URL>`: the
 * encoding leaves no bar in a node, the rules below none in a type URL, so keys split in one way only. Spellings of one xdstp name are
 * one key.
 */

import { canonicalName } from './xdstp.ts';

export interface RawRef {
  /** Absent: every node. */
  readonly node?: string | undefined;
  readonly typeUrl: string;
  readonly name: string;
}

/** `type.googleapis.com/<full name>`: one slash, no bar. */
const TYPE_URL = /^[A-Za-z0-9._~-]{1,128}\/[A-Za-z_][A-Za-z0-9_.]{0,254}$/;
/** Of the percent-encoded node. */
const MAX_NODE = 512;
const MAX_NAME_BYTES = 512;
const CONTROL = /\p{Cc}/u;

const isWellFormed = (text: string): boolean => (text as string & { isWellFormed(): boolean }).isWellFormed();
const isPlain = (text: string): boolean => !CONTROL.test(text) && isWellFormed(text);
const utf8Length = (text: string): number => encodeURIComponent(text).replace(/%../g, '_').length;

/** What breaks a rule; undefined: nothing. Lengths in UTF-16 units are the schema's. */
export const rawRefProblem = (
  ref: Partial<RawRef>,
): { readonly field: 'node' | 'typeUrl' | 'name'; readonly message: string } | undefined => {
  const { node, typeUrl, name } = ref;
  if (node !== undefined && (!isPlain(node) || encodeURIComponent(node).length > MAX_NODE))
    return {
      field: 'node',
      message: `the node does not fit; allowed is text without control characters of at most ${MAX_NODE} characters when percent-encoded`,
    };
  if (typeUrl !== undefined && !TYPE_URL.test(typeUrl))
    return {
      field: 'typeUrl',
      message: `${JSON.stringify(typeUrl.slice(0, 80))} does not fit; allowed is a type URL such as type.googleapis.com/envoy.config.cluster.v3.Cluster`,
    };
  if (name !== undefined && (!isPlain(name) || utf8Length(name) > MAX_NAME_BYTES))
    return {
      field: 'name',
      message: `the name does not fit; allowed is text without control characters of at most ${MAX_NAME_BYTES} bytes`,
    };
  return undefined;
};

const nodePart = (node: string | undefined): string => (node === undefined ? '' : encodeURIComponent(node));

export const rawSetKey = (node: string | undefined, typeUrl: string): string => `${nodePart(node)}|${typeUrl}`;
export const rawKey = ({ node, typeUrl, name }: RawRef): string =>
  `${nodePart(node)}|${typeUrl}|${canonicalName(name)}`;

/** The set that a key belongs to. */
export const setOfRawKey = (key: string): string => key.slice(0, key.indexOf('|', key.indexOf('|') + 1));
/** The percent-encoded node of a key or of a set; '' = every node. */
export const nodeOfRawKey = (key: string): string => key.slice(0, key.indexOf('|'));

/** Subject of one raw resource: `resource/<node, percent-encoded>/<type URL>/<name>`. */
export const rawSubject = ({ node, typeUrl, name }: RawRef): string =>
  `resource/${nodePart(node)}/${typeUrl}/${canonicalName(name)}`;
/** Subject of all raw resources of a node. */
export const rawNodeSubject = (node: string | undefined): string => `resource/${nodePart(node)}`;

/** Key of the resource of a subject, or the percent-encoded node of a subject of all its resources. */
export const rawOfSubject = (subject: string): { readonly key: string } | { readonly node: string } => {
  const rest = subject.slice('resource/'.length);
  const afterNode = rest.indexOf('/');
  const inType = rest.indexOf('/', afterNode + 1);
  const afterType = rest.indexOf('/', inType + 1);
  if (afterNode < 0 || inType < 0 || afterType < 0) return { node: rest };
  return { key: `${rest.slice(0, afterNode)}|${rest.slice(afterNode + 1, afterType)}|${rest.slice(afterType + 1)}` };
};
