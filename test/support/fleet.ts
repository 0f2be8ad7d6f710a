/**
 * Many sidecars in one process: sessions of this repository's sidecar client, up to 100 streams on a connection. Each behaves as one
 * alone would: holds what it was sent, comes back by itself with the versions it holds.
 */
import type { ClientHttp2Session } from 'node:http2';
import { decodeDeltaResponse, encodeDeltaRequest, GRPC_PATHS } from '../../src/proto/index.ts';
import type { ClientEffect, UpdateEffect } from '../../src/sidecar-client/effect.ts';
import { ClientSession, type ClientSessionOptions } from '../../src/sidecar-client/session.ts';
import { type GrpcStream, openConnection, openStream } from './grpc-streams.ts';

const STREAMS_PER_CONNECTION = 100;
/** Full jitter up to this before a lost connection is tried again, ms. */
const RETRY_MS = 200;

export interface FleetOptions {
  /** A function: asked at each connection, so that sidecars can be led elsewhere. */
  readonly port: number | (() => number);
  readonly size: number;
  /** `<service>.<namespace>` that a sidecar belongs to. Default `web.shop`. */
  readonly caller?: (index: number) => string;
  readonly refuse?: ClientSessionOptions['refuse'];
  readonly streamsPerConnection?: number;
  /** Bytes that a stream, and a connection, may be sent before they are read. Default: HTTP/2's 65,535. */
  readonly window?: number;
  readonly onUpdate?: (sidecar: FleetSidecar, update: UpdateEffect) => void;
}

export class FleetSidecar {
  readonly id: string;
  readonly session: ClientSession;
  /** Since its start. `resourceBytes`: names and bodies of resources. */
  readonly stats = { streams: 0, responses: 0, responseBytes: 0, resources: 0, resourceBytes: 0, refused: 0 };
  /** `<type URL> <name> <version>` -> how often it came. */
  readonly received = new Map<string, number>();
  /** Type URL -> nonce of its last response. */
  readonly nonces = new Map<string, string>();
  #stream: GrpcStream | undefined;
  #heard = false;
  readonly #onUpdate: FleetOptions['onUpdate'];

  constructor(index: number, { caller = () => 'web.shop', refuse, onUpdate }: FleetOptions) {
    this.#onUpdate = onUpdate;
    const cluster = caller(index);
    const [service = '', namespace = ''] = cluster.split('.');
    this.id = `fleet-${index}`;
    this.session = new ClientSession({
      node: {
        id: this.id,
        cluster,
        metadata: { service, namespace },
        locality: { region: '', zone: '', subzone: '' },
        userAgentName: 'fleet',
        clientFeatures: [],
      },
      ...(refuse === undefined ? {} : { refuse }),
    });
  }

  /** The server has answered on the present stream. */
  get connected(): boolean {
    return this.#stream !== undefined && this.#heard;
  }

  /** Opens a stream on this connection; `lost` is called when it has ended. */
  open(connection: ClientHttp2Session, lost: () => void): void {
    this.stats.streams++;
    this.#heard = false;
    const stream = openStream(connection, GRPC_PATHS.delta, {
      onMessage: (message) => {
        if (this.#stream === stream) this.#take(message);
      },
      onEnd: () => {
        if (this.#stream !== stream) return;
        this.#stream = undefined;
        this.session.onDisconnected();
        lost();
      },
    });
    this.#stream = stream;
    this.run(this.session.onConnected());
  }

  #take(message: Buffer): void {
    const response = decodeDeltaResponse(message);
    const { stats, received } = this;
    this.#heard = true;
    this.nonces.set(response.typeUrl, response.nonce);
    stats.responses++;
    stats.responseBytes += message.length;
    stats.resources += response.resources.length;
    for (const { name, version, body } of response.resources) {
      stats.resourceBytes += name.length + (body?.length ?? 0);
      const key = `${response.typeUrl} ${name} ${version}`;
      received.set(key, (received.get(key) ?? 0) + 1);
    }
    this.run(this.session.onResponse(response));
  }

  run(effects: readonly ClientEffect[]): void {
    for (const effect of effects)
      if (effect.kind === 'request') this.#stream?.send(encodeDeltaRequest(effect.request));
      else if (effect.kind === 'refused') this.stats.refused++;
      else if (effect.kind === 'update') this.#onUpdate?.(this, effect);
  }

  /** Rejects a response, or says so: what no sidecar does twice. */
  nack(typeUrl: string, responseNonce: string, message: string, subscribe: readonly string[] = []): void {
    const request = { typeUrl, responseNonce, errorDetail: { code: 13, message }, subscribe, unsubscribe: [] };
    this.#stream?.send(encodeDeltaRequest({ ...request, initialResourceVersions: new Map() }));
  }

  /** Takes nothing from the connection any more, until `resume`. */
  pause(): void {
    this.#stream?.raw.pause();
  }

  resume(): void {
    this.#stream?.raw.resume();
  }

  ask(host: string): void {
    this.run(this.session.ask(host));
  }
}

export class Fleet {
  readonly sidecars: readonly FleetSidecar[];
  readonly #options: FleetOptions;
  readonly #connections = new Set<ClientHttp2Session>();
  #closed = false;

  /** Connects at once. */
  constructor(options: FleetOptions) {
    this.#options = options;
    this.sidecars = Array.from({ length: options.size }, (_, index) => new FleetSidecar(index, options));
    const group = options.streamsPerConnection ?? STREAMS_PER_CONNECTION;
    for (let at = 0; at < this.sidecars.length; at += group) this.#dial(this.sidecars.slice(at, at + group));
  }

  #dial(group: readonly FleetSidecar[]): void {
    if (this.#closed) return;
    const { port, window } = this.#options;
    const connection = openConnection(
      typeof port === 'number' ? port : port(),
      window === undefined ? {} : { settings: { initialWindowSize: window } },
    );
    this.#connections.add(connection);
    // A group shares its fate: whatever ends one of its streams ends the connection, as with a sidecar's own one.
    const lost = (): void => connection.destroy();
    connection.once('connect', () => {
      if (window !== undefined) connection.setLocalWindowSize(window);
      for (const sidecar of group) sidecar.open(connection, lost);
    });
    connection.once('close', () => {
      this.#connections.delete(connection);
      if (!this.#closed) setTimeout(() => this.#dial(group), Math.random() * RETRY_MS);
    });
  }

  get connected(): number {
    return this.sidecars.filter((sidecar) => sidecar.connected).length;
  }

  /** Sum of one figure over all sidecars. */
  sum(figure: keyof FleetSidecar['stats']): number {
    return this.sidecars.reduce((sum, { stats }) => sum + stats[figure], 0);
  }

  /** How many hold this virtual host. */
  holding(virtualHost: string): number {
    return this.sidecars.filter(({ session }) => session.hostOf(virtualHost) !== undefined).length;
  }

  /** Cuts all connections; the sidecars come back by themselves. */
  cut(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#connections) connection.destroy();
  }
}
