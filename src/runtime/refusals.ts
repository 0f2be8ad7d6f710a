/**
 * Turns a sidecar's NACK into `policy.refused` events: one per document that took part in the refused resource and version,
 * with the document's offset, its author and the client's words; or, of a raw resource, into one `resource.refused`.
 *
 * Each is written once per document and version, however many sidecars refuse it, how often, and under how many names. Bound: the last
 * 20,000 refusals are remembered in memory, and those that the document shows in the state, across restarts; when both have forgotten
 * one, it may be written again.
 */
import { type DeliveryGroup, type DeliveryReport, typeUrlOf } from '../delta-xds/index.ts';
import { type Ingest, OWN_SOURCE } from '../ingest/index.ts';
import { parseClusterName } from '../model/index.ts';
import type { PolicyEntity } from '../projector/index.ts';

const MAX_REMEMBERED = 20_000;
const MAX_MESSAGE = 4_096;

/** A raw resource, as whoever put it would look for it. */
export interface RefusedRaw {
  /** Absent: put for every node. */
  readonly node?: string;
  readonly typeUrl: string;
  readonly name: string;
  readonly offset: number;
  readonly source: string;
}

export interface RefusalsOptions {
  readonly ingest: Pick<Ingest, 'submit'>;
  /** Documents that took part in the configuration of a service port. */
  readonly documentsOf: (service: string, port: number) => readonly PolicyEntity[];
  /** The raw resource that wins for this node, when its content has this version. */
  readonly rawOf: (node: string, type: string, name: string, version: string) => RefusedRaw | undefined;
  readonly logger: { warn(fields: object, message: string): void };
}

export class Refusals {
  readonly #options: RefusalsOptions;
  readonly #known = new Set<string>();
  /** NACKs of single resources seen. */
  seen = 0;

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  note({ nodes, groups }: DeliveryReport): void {
    for (const group of groups)
      if (group.event === 'rejected' && group.final === true) {
        this.seen += group.steps.length / 2;
        this.#note(group, nodes[group.steps[0] ?? 0]?.[0] ?? '');
      }
  }

  /** `node`: the first of those that refused it in these words. */
  #note(entry: DeliveryGroup, node: string): void {
    const { logger, documentsOf, rawOf } = this.#options;
    const { type, name, version } = entry;
    if (!this.#isNew(`${type}|${name}|${version}`)) return;
    logger.warn(
      { node, nodes: entry.steps.length / 2, type, resource: name, error: entry.message },
      'a sidecar refused a resource',
    );
    const typeUrl = typeUrlOf(type);
    const message = (entry.message ?? '').slice(0, MAX_MESSAGE);
    const raw = rawOf(node, type, name, version);
    if (raw !== undefined) {
      const { source: author, ...ref } = raw;
      const data = { ...ref, author, by: node.slice(0, 256), version, message };
      this.#write([{ type: 'resource.refused', data }], [`${type}|${name}|${version}`]);
      return;
    }
    const cluster = parseClusterName(type === 'vhds' ? name.slice(name.indexOf('/') + 1) : name);
    if (cluster === undefined) return;
    const keys: string[] = [];
    const documents = documentsOf(cluster.service, cluster.port).filter((document) => {
      // A virtual host goes out under several names, with one version.
      const key = `${type}|${version}|${document.kind}/${document.namespace}/${document.name}@${document.offset}`;
      if (!this.#isNew(key)) return false;
      keys.push(key);
      // Written before this core was started.
      return !document.refusals?.some(
        (refusal) => refusal.typeUrl === typeUrl && refusal.version === version && refusal.offset === document.offset,
      );
    });
    const events = documents.map((document) => ({
      type: 'policy.refused',
      data: {
        kind: document.kind,
        namespace: document.namespace,
        name: document.name,
        offset: document.offset,
        author: document.source,
        node: node.slice(0, 256),
        typeUrl,
        resource: name,
        version,
        message,
      },
    }));
    if (events.length > 0) this.#write(events, [`${type}|${name}|${version}`, ...keys]);
  }

  /** `keys`: forgotten when it fails, so that the next refusal tries again. */
  #write(events: readonly object[], keys: readonly string[]): void {
    const { ingest, logger } = this.#options;
    ingest.submit({ events, caller: OWN_SOURCE, internal: true, atomic: false }).catch((error: unknown) => {
      for (const key of keys) this.#known.delete(key);
      logger.warn({ error: String(error) }, 'a refusal could not be written to the log');
    });
  }

  /** True the first time, within what is remembered. */
  #isNew(key: string): boolean {
    if (this.#known.has(key)) return false;
    const [oldest] = this.#known;
    if (this.#known.size >= MAX_REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    this.#known.add(key);
    return true;
  }
}
