/**
 * Turns a sidecar's NACK into `policy.refused` events: one per document that took part in the refused resource and version,
 * with the document's offset, its author and the client's words; or, of a raw resource, into one `resource.refused`.
 *
 * Each is written once per document and version, however many sidecars refuse it, how often, and under how many names. Bound: the last
 * 20,000 refusals are remembered in memory, and those that the document shows in the state, across restarts; when both have forgotten
 * one, it may be written again. A raw resource shows none: the first refusal after a restart is written once more.
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
        // Equal bytes under equal names may have been put for several nodes, by several authors.
        let compiled: string | undefined;
        for (let step = 0; step < group.steps.length; step += 2) {
          const node = nodes[group.steps[step] ?? 0]?.[0] ?? '';
          const raw = this.#options.rawOf(node, group.type, group.name, group.version);
          if (raw === undefined) compiled ??= node;
          else this.#noteRaw(group, node, raw);
        }
        if (compiled !== undefined) this.#noteCompiled(group, compiled);
      }
  }

  #warn({ type, name, message, steps }: DeliveryGroup, node: string): void {
    const facts = { node, nodes: steps.length / 2, type, resource: name, error: message };
    this.#options.logger.warn(facts, 'a sidecar refused a resource');
  }

  #noteRaw(entry: DeliveryGroup, node: string, raw: RefusedRaw): void {
    const { source: author, ...ref } = raw;
    const once = `raw ${raw.node ?? ''}|${entry.type}|${entry.name}|${raw.offset}`;
    if (!this.#isNew(once)) return;
    this.#warn(entry, node);
    const message = (entry.message ?? '').slice(0, MAX_MESSAGE);
    const data = { ...ref, author, by: node.slice(0, 256), version: entry.version, message };
    this.#write([{ type: 'resource.refused', data }], [once]);
  }

  /** `node`: the first of those that refused it in these words. */
  #noteCompiled(entry: DeliveryGroup, node: string): void {
    const { documentsOf } = this.#options;
    const { type, name, version } = entry;
    const once = `${type}|${name}|${version}`;
    if (!this.#isNew(once)) return;
    this.#warn(entry, node);
    const typeUrl = typeUrlOf(type);
    const message = (entry.message ?? '').slice(0, MAX_MESSAGE);
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
    if (events.length > 0) this.#write(events, [once, ...keys]);
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
