/** Streams by hand, for what no well-behaved client does. */
import { Client, type ClientDuplexStream, credentials, Metadata, type StatusObject } from '@grpc/grpc-js';
import {
  CDS,
  type DecodedResource,
  type DeltaRequest,
  type DeltaResponse,
  decodeDeltaResponse,
  decodeStateResponse,
  encodeDeltaRequest,
  encodeStateRequest,
  GRPC_PATHS,
  type StateRequest,
  type StateResponse,
} from '../../../src/proto/index.ts';
import { nodeOf } from './memory-mesh.ts';

const same = (bytes: Buffer): Buffer => bytes;

interface StreamOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** gRPC method. */
  readonly path: string;
  /** The client's limit for one message, bytes; -1: none. */
  readonly receiveBytes: number;
}

class RawStream<Response> {
  readonly #client: Client;
  readonly stream: ClientDuplexStream<Buffer, Buffer>;
  readonly responses: Response[] = [];
  /** The same as bytes. */
  readonly messages: Buffer[] = [];
  /** Resolves when the stream has ended. */
  readonly status: Promise<StatusObject>;
  #looks: (() => void)[] = [];

  constructor(port: number, { headers, path, receiveBytes }: StreamOptions, decode: (message: Buffer) => Response) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': receiveBytes,
    });
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
    this.stream = this.#client.makeBidiStreamRequest(path, same, same, metadata);
    this.stream.on('error', () => undefined);
    this.status = new Promise((done) => this.stream.on('status', done));
    this.stream.on('data', (message: Buffer) => {
      this.messages.push(message);
      this.responses.push(decode(message));
      const looks = this.#looks;
      this.#looks = [];
      for (const look of looks) look();
    });
  }

  sendBytes(bytes: Uint8Array): void {
    this.stream.write(Buffer.from(bytes));
  }

  /** The n-th response, when it is there. */
  async response(index: number): Promise<Response> {
    for (;;) {
      const found = this.responses[index];
      if (found !== undefined) return found;
      await new Promise<void>((done) => this.#looks.push(done));
    }
  }

  close(): void {
    this.stream.cancel();
    this.#client.close();
  }
}

/** A delta stream. */
export class RawClient extends RawStream<DeltaResponse> {
  constructor(
    port: number,
    headers: Readonly<Record<string, string>> = {},
    path: string = GRPC_PATHS.delta,
    receiveBytes = -1,
  ) {
    super(port, { headers, path, receiveBytes }, (message) => decodeDeltaResponse(message));
  }

  send(parts: Partial<DeltaRequest> & { readonly typeUrl: string }): void {
    this.sendBytes(
      encodeDeltaRequest({
        subscribe: [],
        unsubscribe: [],
        initialResourceVersions: new Map(),
        responseNonce: '',
        ...parts,
      }),
    );
  }

  /** First message of a stream: wildcard clusters, and who we are. */
  hello(caller: string): void {
    this.send({ typeUrl: CDS, node: nodeOf(caller) });
  }

  /** Everything of a type that has come, in order. */
  resources(typeUrl: string): DecodedResource[] {
    return this.responses.flatMap((response) => (response.typeUrl === typeUrl ? response.resources : []));
  }
}

/** A state-of-the-world stream. */
export class RawStateClient extends RawStream<StateResponse> {
  constructor(port: number, path: string = GRPC_PATHS.sotw) {
    super(port, { headers: {}, path, receiveBytes: -1 }, (message) => decodeStateResponse(message));
  }

  send(parts: Partial<StateRequest> & { readonly typeUrl: string }): void {
    this.sendBytes(encodeStateRequest({ names: [], versionInfo: '', responseNonce: '', ...parts }));
  }

  /** Takes a response, and lists the names wanted from now on. */
  ack({ typeUrl, nonce, versionInfo }: StateResponse, names: readonly string[]): void {
    this.send({ typeUrl, names, responseNonce: nonce, versionInfo });
  }
}
