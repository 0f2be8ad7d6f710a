/**
 * The client side of gRPC streams, on our own frames of HTTP/2: many in one process, each cheap, so that the load takes little of what it
 * measures. Windows as Envoy has them. What the server says of a stream's end is not told apart.
 */
import { connect, type Socket } from 'node:net';
import { FrameScanner } from '../../../src/delta-xds/h2/frame-scanner.ts';
import {
  FLAG,
  FRAME,
  FRAME_BYTES,
  frameOf,
  INITIAL_WINDOW,
  PREFACE,
  pingFrame,
  SETTING,
  SETTINGS_ACK,
  settingsFrame,
  windowFrame,
} from '../../../src/delta-xds/h2/frames.ts';
import { encodeHeaders } from '../../../src/delta-xds/h2/hpack/index.ts';
import { MESSAGE_HEAD, MessageReader } from '../../../src/delta-xds/h2/message-reader.ts';
import { PeerSettings } from '../../../src/delta-xds/h2/peer-settings.ts';

/** Envoy 1.40: `initial_stream_window_size`, `initial_connection_window_size`. */
const STREAM_WINDOW = 16 * 1024 * 1024;
const CONNECTION_WINDOW = 24 * 1024 * 1024;
const MAX_MESSAGE = 1024 * 1024 * 1024;

const HELLO = Buffer.concat([
  PREFACE,
  settingsFrame([
    [SETTING.ENABLE_PUSH, 0],
    [SETTING.INITIAL_WINDOW_SIZE, STREAM_WINDOW],
  ]),
  windowFrame(0, CONNECTION_WINDOW - INITIAL_WINDOW),
]);

const requestBlocks = new Map<string, Buffer>();

const requestBlock = (path: string): Buffer => {
  const known = requestBlocks.get(path);
  if (known !== undefined) return known;
  const block = encodeHeaders([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', '127.0.0.1'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ]);
  requestBlocks.set(path, block);
  return block;
};

export interface SimStreamEvents {
  readonly onMessage: (message: Buffer) => void;
  /** Ended by the server; the end of the connection is told by it alone. */
  readonly onEnd: () => void;
}

interface Waiting {
  readonly stream: SimStream;
  readonly bytes: Buffer;
}

/** One stream. */
export class SimStream {
  readonly #connection: SimConnection;
  readonly #events: SimStreamEvents;
  readonly #reader = new MessageReader(MAX_MESSAGE);
  readonly id: number;
  /** Bytes that the server takes. */
  window: number;
  /** Received, and the server not told that it may send more. */
  #uncredited = 0;

  constructor(connection: SimConnection, id: number, window: number, events: SimStreamEvents) {
    this.#connection = connection;
    this.#events = events;
    this.id = id;
    this.window = window;
  }

  send(message: Uint8Array): void {
    const framed = Buffer.allocUnsafe(MESSAGE_HEAD + message.length);
    framed[0] = 0;
    framed.writeUInt32BE(message.length, 1);
    framed.set(message, MESSAGE_HEAD);
    this.#connection.send(this, framed);
  }

  onData(payload: Buffer): void {
    this.#uncredited += payload.length;
    if (this.#uncredited > STREAM_WINDOW / 2) {
      this.#connection.write(windowFrame(this.id, this.#uncredited));
      this.#uncredited = 0;
    }
    this.#reader.push(payload);
    for (let message = this.#reader.next(); message !== undefined; message = this.#reader.next())
      this.#events.onMessage(message);
  }

  onEnd(): void {
    this.#events.onEnd();
  }
}

/** A connection to a gRPC server on loopback. */
export class SimConnection {
  readonly #socket: Socket;
  readonly #scanner = new FrameScanner((...frame) => this.#frame(...frame), false);
  readonly #streams = new Map<number, SimStream>();
  /** Bytes that wait for a window, in order. */
  #waiting: Waiting[] = [];
  #nextId = 1;
  #window = INITIAL_WINDOW;
  readonly #peer = new PeerSettings();
  #uncredited = 0;

  /** `onOpen`: connected. `onClose`: it is over, whether it was open or not. */
  constructor(port: number, onOpen: () => void, onClose: () => void) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.once('connect', () => {
      this.#socket.write(HELLO);
      onOpen();
    });
    this.#socket.on('data', (chunk: Buffer) => this.#scanner.scan(chunk));
    this.#socket.on('error', () => undefined); // 'close' follows
    this.#socket.once('close', onClose);
  }

  open(path: string, events: SimStreamEvents): SimStream {
    const stream = new SimStream(this, this.#nextId, this.#peer.window, events);
    this.#nextId += 2;
    this.#streams.set(stream.id, stream);
    this.write(frameOf(FRAME.HEADERS, FLAG.END_HEADERS, stream.id, requestBlock(path)));
    return stream;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  write(frame: Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(frame);
  }

  send(stream: SimStream, bytes: Buffer): void {
    this.#waiting.push({ stream, bytes });
    this.#flush();
  }

  /** Sends what waits as far as the windows go. */
  #flush(): void {
    const later: Waiting[] = [];
    const blocked = new Set<SimStream>();
    for (const { stream, bytes } of this.#waiting) {
      let rest = bytes;
      while (rest.length > 0 && !blocked.has(stream)) {
        const length = Math.min(rest.length, FRAME_BYTES, this.#window, stream.window);
        if (length <= 0) {
          blocked.add(stream);
          break;
        }
        this.write(frameOf(FRAME.DATA, 0, stream.id, rest.subarray(0, length)));
        this.#window -= length;
        stream.window -= length;
        rest = rest.subarray(length);
      }
      if (rest.length > 0) later.push({ stream, bytes: rest });
    }
    this.#waiting = later;
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    const stream = this.#streams.get(id);
    const isLast = (flags & FLAG.END_STREAM) !== 0;
    switch (type) {
      case FRAME.DATA:
        this.#credit(payload.length);
        stream?.onData(payload);
        if (isLast) this.#end(stream);
        break;
      case FRAME.HEADERS:
        if (isLast) this.#end(stream);
        break;
      case FRAME.RST_STREAM:
        this.#end(stream);
        break;
      case FRAME.SETTINGS:
        if ((flags & FLAG.ACK) === 0) this.#settings(payload);
        break;
      case FRAME.PING:
        if ((flags & FLAG.ACK) === 0) this.write(pingFrame(FLAG.ACK, payload));
        break;
      case FRAME.WINDOW_UPDATE:
        if (stream !== undefined) stream.window += payload.readUInt32BE(0);
        else if (id === 0) this.#window += payload.readUInt32BE(0);
        this.#flush();
        break;
      default:
    }
  }

  #credit(bytes: number): void {
    this.#uncredited += bytes;
    if (this.#uncredited <= CONNECTION_WINDOW / 2) return;
    this.write(windowFrame(0, this.#uncredited));
    this.#uncredited = 0;
  }

  #settings(payload: Buffer): void {
    const change = this.#peer.read(payload);
    for (const stream of this.#streams.values()) stream.window += change;
    this.write(SETTINGS_ACK);
    this.#flush();
  }

  #end(stream: SimStream | undefined): void {
    if (stream === undefined) return;
    this.#streams.delete(stream.id);
    this.#waiting = this.#waiting.filter((each) => each.stream !== stream);
    stream.onEnd();
  }
}
