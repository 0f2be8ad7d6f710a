/** Who reports, and what it may have used: the port to the mesh. */
import type { ProtoNode } from '../proto/index.ts';

/**
 * The identity of one stream, from the node in its first message. What its entries name is looked up with the rights of its caller:
 * unknown, denied and invisible services give nothing.
 */
export interface Reporter {
  readonly node: string;
  /** `<service>.<namespace>` */
  readonly caller: string;
  /** Canonical service port of an HTTP authority in lower case. */
  byHost(authority: string): string | undefined;
  /** Canonical service port that a cluster name, or the same name with a subset, stands for. */
  byName(name: string): string | undefined;
}

/** Undefined: a node that does not say which service it is; its uses are nobody's. */
export type Identify = (node: ProtoNode) => Reporter | undefined;
