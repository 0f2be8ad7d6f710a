/**
 * The committed state as xDS workers read it, in any process, also while the core is down.
 *
 * Invariants
 * M1 All reads of one turn of the event loop see the same commit, the newest at its first read; so decoded records in memory
 *    never mix with bytes of another commit.
 * M2 A record in memory is thrown away with the first commit whose journal names it; when the journal does not reach back, all
 *    are.
 * M3 No read transaction outlives its turn. Objects given out are copies and immutable.
 * M4 When the core had to make the file anew, the model goes on with the old one until the new one is published, moves over, and
 *    then answers `everything` once.
 */
import type { EndpointView } from '../compile/index.ts';
import type { CallerRecord } from '../dependency-graph/index.ts';
import type { StoreLogger } from '../store/index.ts';
import { epochIn, offsetIn } from './head.ts';
import { readJournal } from './journal.ts';
import { type ModelFile, openModelFile } from './model-file.ts';
import { RawModel } from './raw-model.ts';
import { RecordCache } from './record-cache.ts';
import { decodeCaller, decodeEndpoint, decodeMesh, decodeResource, decodeService, endpointKey } from './records.ts';
import { HEAD_KEY, MESH_KEY } from './state-tables.ts';
import type { ModelChanges, RawSet, ServiceRecord, StoredResource } from './types.ts';

export interface ReadModelOptions {
  /** Data directory (the state lies in its folder `state`). */
  readonly dir: string;
  readonly mesh: string;
  readonly logger?: StoreLogger;
  /** Bytes of resource bodies kept decoded (default 64 MiB). */
  readonly cacheBytes?: number;
  /** Called when the model has moved to a new file (M4): ask for the journal then. */
  readonly onReplaced?: () => void;
  /** Opens the file (default: that of `dir`), now and when it was made anew. */
  readonly open?: () => Promise<ModelFile>;
}

const CACHE_BYTES = 64 * 2 ** 20;
// Clusters, assignments and virtual hosts of tens of thousands of services: a node may need them all.
const MAX_RESOURCES = 200_000;
const MAX_SERVICES = 100_000;
const MAX_CALLERS = 10_000;
const MAX_ENDPOINTS = 10_000;
const MAX_HOSTS = 10_000;
const LOOK_AGAIN_MS = 200;
/** Weight of a resource beside its body. */
const RESOURCE_OVERHEAD = 300;

const ANYBODY: Omit<CallerRecord, 'caller'> = { preload: [], denied: [], learn: true, tcp: [] };
const fileOf = (options: ReadModelOptions): Promise<ModelFile> => options.open?.() ?? openModelFile(options);
const one = (): number => 1;
const weightOf = (resource: StoredResource): number => resource.body.length + RESOURCE_OVERHEAD;

export class ReadModel {
  readonly #options: ReadModelOptions;
  readonly #resources: RecordCache<StoredResource>;
  readonly #services = new RecordCache<ServiceRecord>(MAX_SERVICES, MAX_SERVICES);
  readonly #callers = new RecordCache<CallerRecord>(MAX_CALLERS, MAX_CALLERS);
  readonly #endpoints = new RecordCache<EndpointView>(MAX_ENDPOINTS, MAX_ENDPOINTS);
  readonly #hosts = new RecordCache<string>(MAX_HOSTS, MAX_HOSTS);
  readonly #raw: RawModel;
  #file: ModelFile;
  #epoch = 0;
  #offset = 0;
  #suffixes: readonly string[] | undefined;
  /** M1: this turn has looked at the head already. */
  #isFresh = false;
  /** M4: the next journal answer is `everything`. */
  #isReplaced = false;
  #replacing = false;
  #closed = false;

  private constructor(options: ReadModelOptions, file: ModelFile) {
    this.#options = options;
    this.#resources = new RecordCache(MAX_RESOURCES, options.cacheBytes ?? CACHE_BYTES);
    this.#file = file;
    this.#raw = new RawModel(() => this.#file.tables, this.#resources, weightOf);
    this.#look();
  }

  /**
   * @throws TendrilError `DATA_MISSING`, `STATE_NOT_READY` (try again when the core is ready), `MESH_MISMATCH`,
   * `DATA_FROM_NEWER_VERSION`.
   */
  static async open(options: ReadModelOptions): Promise<ReadModel> {
    return new ReadModel(options, await fileOf(options));
  }

  /** Number of the newest commit. */
  epoch(): number {
    this.#sync();
    return this.#epoch;
  }

  /** Last offset folded into it. */
  offset(): number {
    this.#sync();
    return this.#offset;
  }

  /** @param key as `resourceKey` gives it */
  resource(key: string): StoredResource | undefined {
    this.#sync();
    return this.#resources.get(key, this.#readResource, weightOf);
  }

  /**
   * A raw resource of this node alone; of a virtual host the body is without its name. Who asks looks at the node, then at '', then
   * at compiled ones.
   * @param node `node.id`; '' = every node
   */
  raw(node: string, typeUrl: string, name: string): StoredResource | undefined {
    this.#sync();
    return this.#raw.resource(node, typeUrl, name);
  }

  /**
   * Names of the raw resources of a node and type, and its label; the same object again while nothing of it changed.
   * @param node `node.id`; '' = every node
   */
  rawSet(node: string, typeUrl: string): RawSet {
    this.#sync();
    return this.#raw.set(node, typeUrl);
  }

  /** There are raw resources, of whatever node and type. */
  hasRaw(): boolean {
    this.#sync();
    return this.#raw.any;
  }

  /** @param name `<service>.<namespace>` */
  service(name: string): ServiceRecord | undefined {
    this.#sync();
    return this.#services.get(name, this.#readService, one);
  }

  /** All services, by name. To be taken in one go: an open loop holds a read transaction. */
  *eachService(): Iterable<ServiceRecord> {
    this.#sync();
    for (const { body } of this.#file.tables.service.range()) yield decodeService(body);
  }

  /** Number of services. */
  services(): number {
    this.#sync();
    return this.#file.tables.service.count();
  }

  /** Service that owns an external host (lower case). */
  externalHost(host: string): string | undefined {
    this.#sync();
    return this.#hosts.get(host, this.#readHost, one);
  }

  /** The caller's own record, else that of its namespace (`*.<namespace>`), else `*`, else what anybody may have. */
  caller(name: string): CallerRecord {
    this.#sync();
    return this.#callers.get(name, this.#readCaller, one) ?? { caller: name, ...ANYBODY };
  }

  /** Facts of an endpoint for its node's own resources; without health and weight. */
  endpoint(service: string, id: string): EndpointView | undefined {
    this.#sync();
    return this.#endpoints.get(endpointKey(service, id), this.#readEndpoint, one);
  }

  /** Mesh suffixes, e.g. `.mesh.local`. */
  suffixes(): readonly string[] {
    this.#sync();
    this.#suffixes ??= this.#readSuffixes();
    return this.#suffixes;
  }

  /** Moves to the newest commit and tells what changed since `epoch`. */
  journalSince(epoch: number): ModelChanges {
    // A request asks for the journal, and a thousand of them may come in one turn.
    if (!this.#isFresh && this.#file.isReplaced()) this.#replace();
    this.#look();
    if (this.#isReplaced) {
      this.#isReplaced = false;
      return { epoch: this.#epoch, keys: [], everything: true };
    }
    return readJournal(this.#file.tables.journal, epoch, this.#epoch);
  }

  /** Records in memory, and how often they served. */
  counters(): { readonly resources: number; readonly bytes: number; readonly hits: number; readonly misses: number } {
    const { size, weight, hits, misses } = this.#resources;
    return { resources: size, bytes: weight, hits, misses };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#file.environment.close();
  }

  /** M1 */
  #sync(): void {
    if (this.#isFresh) return;
    this.#look();
  }

  #look(): void {
    const { environment, tables } = this.#file;
    if (!this.#isFresh) {
      this.#isFresh = true;
      setImmediate(() => {
        this.#isFresh = false;
      });
    }
    environment.refresh();
    const head = tables.head.peek(HEAD_KEY);
    if (head === undefined) return;
    const epoch = epochIn(head);
    if (epoch === this.#epoch) return;
    this.#offset = offsetIn(head);
    this.#raw.moved();
    const before = this.#epoch;
    this.#epoch = epoch;
    this.#forget(readJournal(tables.journal, before, epoch));
  }

  /** M2 */
  #forget(changes: ModelChanges): void {
    this.#suffixes = undefined;
    if (changes.everything) {
      for (const cache of [this.#resources, this.#services, this.#callers, this.#endpoints, this.#hosts]) cache.clear();
      this.#raw.clear();
      return;
    }
    for (const key of changes.keys) {
      const bar = key.indexOf('|');
      const rest = key.slice(bar + 1);
      switch (key.slice(0, bar)) {
        case 'svc':
          this.#services.delete(rest);
          this.#hosts.clear();
          break;
        case 'caller':
          // Records with a star stand behind any caller.
          if (rest.startsWith('*')) this.#callers.clear();
          else this.#callers.delete(rest);
          break;
        case 'rawset':
          this.#raw.forgetSet(rest);
          break;
        case 'own':
          this.#endpoints.delete(rest);
          break;
        default:
          this.#resources.delete(key);
      }
    }
  }

  /** M4 */
  #replace(): void {
    if (this.#replacing || this.#closed) return;
    this.#replacing = true;
    fileOf(this.#options)
      .then(async (file) => {
        const old = this.#file;
        if (this.#closed) {
          await file.environment.close();
          return;
        }
        this.#file = file;
        this.#epoch = 0;
        this.#isReplaced = true;
        this.#replacing = false;
        this.#look();
        await old.environment.close();
        this.#options.logger?.info(
          { path: file.environment.path, epoch: this.#epoch },
          'the state was made anew; moved to it',
        );
        this.#options.onReplaced?.();
      })
      .catch(() => {
        setTimeout(() => {
          this.#replacing = false;
          if (!this.#closed) this.#replace();
        }, LOOK_AGAIN_MS).unref();
      });
  }

  readonly #readResource = (key: string): StoredResource | undefined => {
    const bytes = this.#file.tables.resource.peek(key);
    return bytes === undefined ? undefined : decodeResource(bytes);
  };

  readonly #readService = (name: string): ServiceRecord | undefined => {
    const bytes = this.#file.tables.service.peek(name);
    return bytes === undefined ? undefined : decodeService(bytes);
  };

  readonly #readHost = (host: string): string | undefined => this.#file.tables.host.peek(host)?.toString();

  readonly #readCaller = (name: string): CallerRecord | undefined => {
    const { caller } = this.#file.tables;
    const bytes = caller.peek(name) ?? caller.peek(`*.${name.slice(name.lastIndexOf('.') + 1)}`) ?? caller.peek('*');
    return bytes === undefined ? undefined : decodeCaller(bytes);
  };

  readonly #readEndpoint = (key: string): EndpointView | undefined => {
    const bytes = this.#file.tables.endpoint.peek(key);
    return bytes === undefined ? undefined : decodeEndpoint(bytes);
  };

  #readSuffixes(): readonly string[] {
    const bytes = this.#file.tables.head.peek(MESH_KEY);
    return bytes === undefined ? [] : decodeMesh(bytes).suffixes;
  }
}
