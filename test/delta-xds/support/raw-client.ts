/** A delta stream by hand, for what no well-behaved client does. */
import { Client, type ClientDuplexStream, credentials, Metadata, type StatusObject } from '@grpc/grpc-js';
import {
  CDS,
  type DecodedResource,
  type DeltaRequest,
  type DeltaResponse,
  decodeDeltaResponse,
  encodeDeltaRequest,
  GRPC_PATHS,
} from '../../../src/proto/index.ts';
import { nodeOf } from './memory-mesh.ts';

const same = (bytes: Buffer): Buffer => bytes;

export class RawClient {
  readonly #client: Client;
  readonly stream: ClientDuplexStream<Buffer, Buffer>;
  readonly responses: DeltaResponse[] = [];
  /** The same as bytes. */
  readonly messages: Buffer[] = [];
  /** Resolves when the stream has ended. */
  readonly status: Promise<StatusObject>;
  #looks: (() => void)[] = [];

  /** `receiveBytes`: the client's limit for one message; -1: none. */
  constructor(
    port: number,
    headers: Readonly<Record<string, string>> = {},
    path: string = GRPC_PATHS.delta,
    receiveBytes = -1,
  ) {
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
      this.responses.push(decodeDeltaResponse(message));
      const looks = this.#looks;
      this.#looks = [];
      for (const look of looks) look();
    });
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

  sendBytes(bytes: Uint8Array): void {
    this.stream.write(Buffer.from(bytes));
  }

  /** First message of a stream: wildcard clusters, and who we are. */
  hello(caller: string): void {
    this.send({ typeUrl: CDS, node: nodeOf(caller) });
  }

  /** The n-th response, when it is there. */
  async response(index: number): Promise<DeltaResponse> {
    for (;;) {
      const found = this.responses[index];
      if (found !== undefined) return found;
      await new Promise<void>((done) => this.#looks.push(done));
    }
  }

  /** Everything of a type that has come, in order. */
  resources(typeUrl: string): DecodedResource[] {
    return this.responses.flatMap((response) => (response.typeUrl === typeUrl ? response.resources : []));
  }

  close(): void {
    this.stream.cancel();
    this.#client.close();
  }
}
