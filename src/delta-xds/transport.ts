/** What a session's stream needs of its transport. grpc-js is the reference (`grpc-transport.ts`); another one fits behind it. */
export interface TransportStream {
  /** `address:port` of the other side, or 'unknown'. */
  readonly peer: string;
  /** Writes one message (without gRPC frame). False: full, wait for `taken`. `taken` is called when the transport has passed it on. */
  write(message: Uint8Array, taken: () => void): boolean;
  /** Ends the stream with a gRPC status. */
  end(code: number, message: string): void;
  /** Drops the stream's connection: for a peer that takes nothing. */
  reset(): void;
}

/** What the transport tells of one stream, in order; nothing after `onClose`. */
export interface TransportListener {
  onMessage(message: Uint8Array): void;
  /** The other side has finished sending. */
  onHalfClose(): void;
  onClose(): void;
}

/** Called for every new stream. */
export type StreamHandler = (stream: TransportStream) => TransportListener;

/** Who serves which gRPC path. Any other path: UNIMPLEMENTED. */
export type Routes = ReadonlyMap<string, StreamHandler>;
