/**
 * A client that keeps names and versions of everything it is sent, and nothing else: it asks as a stock Envoy of this mesh does, and
 * comes back with what it holds. Cheap enough for a mesh of twenty thousand services, where the sidecar client decodes every resource.
 */
import type { ClientHttp2Session } from 'node:http2';
import {
  CDS,
  type DeltaRequest,
  decodeDeltaResponse,
  EDS,
  encodeDeltaRequest,
  GRPC_PATHS,
  LDS,
  type ProtoNode,
  RDS,
  VHDS,
} from '../../src/proto/index.ts';
import { type GrpcStream, openConnection, openStream } from './grpc-streams.ts';

export interface WholeClientOptions {
  readonly port: number;
  readonly id: string;
  /** `<service>.<namespace>` */
  readonly service: string;
  /** Metadata `needs`, `labels`. */
  readonly needs?: unknown;
  readonly labels?: Readonly<Record<string, string>>;
}

const TYPES = [CDS, LDS, RDS, VHDS, EDS] as const;
const NONE: readonly string[] = [];

/** What came since the last `reset`. */
export interface WholeStats {
  responses: number;
  /** Of all messages. */
  bytes: number;
  /** Names of resources received, with repeats: `<type URL> <name>`. */
  readonly names: string[];
  /** Names removed, but for those that only prime a route configuration. */
  readonly removed: string[];
}

export class WholeClient {
  readonly #options: WholeClientOptions;
  readonly #held = new Map<string, Map<string, string>>(TYPES.map((type) => [type, new Map()]));
  /** Assignments asked for on this stream. */
  readonly #asked = new Set<string>();
  #stats: WholeStats = { responses: 0, bytes: 0, names: [], removed: [] };
  #connection: ClientHttp2Session | undefined;
  #stream: GrpcStream | undefined;
  #looks: (() => void)[] = [];
  /** gRPC status that ended the last stream. */
  ended: { readonly code: number; readonly message: string } | undefined;

  constructor(options: WholeClientOptions) {
    this.#options = options;
  }

  get stats(): Readonly<WholeStats> {
    return this.#stats;
  }

  reset(): void {
    this.#stats = { responses: 0, bytes: 0, names: [], removed: [] };
  }

  /** Name -> version. */
  held(typeUrl: string): ReadonlyMap<string, string> {
    return this.#held.get(typeUrl) ?? new Map();
  }

  /** Type URLs it asks for. */
  readonly types: readonly string[] = TYPES;

  /** Before `connect`: it comes back with this, from an earlier life. */
  hold(typeUrl: string, name: string, version: string): void {
    this.#held.get(typeUrl)?.set(name, version);
  }

  /** Service ports of which it has all: cluster, assignment, virtual host. */
  complete(): number {
    let complete = 0;
    const [clusters, assignments] = [this.held(CDS), this.held(EDS)];
    for (const name of this.held(VHDS).keys()) {
      const servicePort = name.slice(name.indexOf('/') + 1);
      if (clusters.has(servicePort) && assignments.has(servicePort)) complete++;
    }
    return complete;
  }

  /** Opens a stream; what is held is named. */
  connect(): void {
    const { port, id, service, needs, labels } = this.#options;
    const [name = '', namespace = ''] = service.split('.');
    this.ended = undefined;
    this.#asked.clear();
    this.#connection = openConnection(port, { settings: { initialWindowSize: 1 << 20 } });
    this.#connection.on('connect', (session) => session.setLocalWindowSize(1 << 22));
    const stream = openStream(this.#connection, GRPC_PATHS.delta, {
      onMessage: (message) => {
        if (this.#stream === stream) this.#take(message);
      },
      onEnd: (status) => {
        if (this.#stream !== stream) return;
        this.ended = status ?? { code: -1, message: 'the connection broke' };
        this.#tell();
      },
    });
    this.#stream = stream;
    const node: ProtoNode = {
      id,
      cluster: service,
      metadata: {
        ...{ service: name, namespace },
        ...(needs === undefined ? {} : { needs }),
        ...(labels === undefined ? {} : { labels }),
      } as ProtoNode['metadata'],
      locality: { region: '', zone: '', subzone: '' },
      userAgentName: 'whole',
      clientFeatures: [],
    };
    this.send({ typeUrl: CDS, node, initialResourceVersions: this.#versions(CDS) });
    this.send({ typeUrl: LDS, initialResourceVersions: this.#versions(LDS) });
    this.send({ typeUrl: RDS, subscribe: ['outbound'], initialResourceVersions: this.#versions(RDS) });
    const hosts = this.#versions(VHDS);
    this.send({ typeUrl: VHDS, subscribe: hosts.size === 0 ? NONE : ['*'], initialResourceVersions: hosts });
    const assignments = this.#versions(EDS);
    if (assignments.size > 0) this.#askAssignments([...assignments.keys()], assignments);
  }

  send(parts: Partial<DeltaRequest> & { readonly typeUrl: string }): void {
    this.#stream?.send(
      encodeDeltaRequest({
        subscribe: NONE,
        unsubscribe: NONE,
        initialResourceVersions: new Map(),
        responseNonce: '',
        ...parts,
      }),
    );
  }

  /** Resolves when `check` is true; it is looked at after every message. Rejects when the stream ends before. */
  until(check: () => boolean): Promise<void> {
    return new Promise((done, fail) => {
      const look = (): void => {
        if (check()) done();
        else if (this.ended !== undefined)
          fail(new Error(`the stream ended: ${this.ended.code} ${this.ended.message}`));
        else this.#looks.push(look);
      };
      look();
    });
  }

  /** The stream breaks off; what is held stays. */
  disconnect(): void {
    this.#stream = undefined;
    this.#connection?.destroy();
  }

  #versions(typeUrl: string): ReadonlyMap<string, string> {
    return new Map(this.held(typeUrl));
  }

  #take(message: Buffer): void {
    const { typeUrl, nonce, resources, removed } = decodeDeltaResponse(message);
    const held = this.#held.get(typeUrl);
    const stats = this.#stats;
    stats.responses++;
    stats.bytes += message.length;
    const come: string[] = [];
    for (const { name, version, body } of resources) {
      stats.names.push(`${typeUrl} ${name}`);
      if (body === undefined) continue;
      held?.set(name, version);
      if (typeUrl === CDS && !name.startsWith('inbound:') && !this.#asked.has(name)) come.push(name);
    }
    for (const name of removed) {
      held?.delete(name);
      if (!name.endsWith('/-')) stats.removed.push(name);
    }
    this.send({ typeUrl, responseNonce: nonce });
    if (come.length > 0) this.#askAssignments(come, new Map());
    if (typeUrl === CDS && removed.length > 0) this.#dropAssignments(removed);
    this.#tell();
  }

  #askAssignments(names: readonly string[], versions: ReadonlyMap<string, string>): void {
    for (const name of names) this.#asked.add(name);
    this.send({ typeUrl: EDS, subscribe: names, initialResourceVersions: versions });
  }

  #dropAssignments(names: readonly string[]): void {
    for (const name of names) {
      this.#asked.delete(name);
      this.#held.get(EDS)?.delete(name);
    }
    this.send({ typeUrl: EDS, unsubscribe: names });
  }

  #tell(): void {
    const looks = this.#looks;
    this.#looks = [];
    for (const look of looks) look();
  }
}
