/**
 * Turns a sidecar's NACK into `policy.refused` events: one per document that took part in the refused resource and version,
 * with the document's offset, its author and the client's words.
 *
 * Bound: the last 10,000 refusals are remembered, so that a NACK repeated by every holder is written once; when the memory
 * forgets one, it may be written again.
 */
import type { DeliveryGroup, DeliveryReport } from '../delta-xds/index.ts';
import { type Ingest, OWN_SOURCE } from '../ingest/index.ts';
import { parseClusterName } from '../model/index.ts';
import type { PolicyEntity } from '../projector/index.ts';

const MAX_REMEMBERED = 10_000;
const MAX_MESSAGE = 4_096;
const TYPE_URLS: Readonly<Record<string, string>> = {
  cds: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  vhds: 'type.googleapis.com/envoy.config.route.v3.VirtualHost',
  eds: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
};

export interface RefusalsOptions {
  readonly ingest: Pick<Ingest, 'submit'>;
  /** Documents that took part in the configuration of a service port. */
  readonly documentsOf: (service: string, port: number) => readonly PolicyEntity[];
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
    const { logger, documentsOf, ingest } = this.#options;
    logger.warn(
      { node, nodes: entry.steps.length / 2, type: entry.type, resource: entry.name, error: entry.message },
      'a sidecar refused a resource',
    );
    const cluster = parseClusterName(
      entry.type === 'vhds' ? entry.name.slice(entry.name.indexOf('/') + 1) : entry.name,
    );
    const typeUrl = TYPE_URLS[entry.type];
    if (cluster === undefined || typeUrl === undefined) return;
    const key = `${entry.type}|${entry.name}|${entry.version}`;
    if (this.#known.has(key)) return;
    const [oldest] = this.#known;
    if (this.#known.size >= MAX_REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    this.#known.add(key);
    const events = documentsOf(cluster.service, cluster.port).map((document) => ({
      type: 'policy.refused',
      data: {
        kind: document.kind,
        namespace: document.namespace,
        name: document.name,
        offset: document.offset,
        author: document.source,
        node: node.slice(0, 256),
        typeUrl,
        resource: entry.name,
        version: entry.version,
        message: (entry.message ?? '').slice(0, MAX_MESSAGE),
      },
    }));
    if (events.length === 0) return;
    ingest.submit({ events, caller: OWN_SOURCE, internal: true, atomic: false }).catch((error: unknown) => {
      this.#known.delete(key);
      logger.warn({ error: String(error) }, 'a refusal could not be written to the log');
    });
  }
}
