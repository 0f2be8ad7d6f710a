/** A client of the transport that says whatever a test wants it to, byte by byte. */
import { once } from 'node:events';
import { H2Transport } from '../../../src/delta-xds/h2/index.ts';
import {
  ECHO,
  eventually,
  openSocket,
  type Stand,
  type StandOptions,
  startStand,
} from '../../contracts/transport-stand.ts';
import { data, frame, framesOf, headers, PREFACE, SETTINGS, SETTINGS_ACK } from '../../support/h2-frames.ts';

export const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goAway: 7,
  window: 8,
  continuation: 9,
} as const;
export const FLAG = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 } as const;
/** RFC 9113, section 7. */
export const CODE = {
  none: 0,
  protocol: 1,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refused: 7,
  cancel: 8,
  compression: 9,
  calm: 11,
} as const;

/** What every client says first. */
export const HELLO = Buffer.concat([PREFACE, SETTINGS, SETTINGS_ACK]);

export const grpc = (message: string | Buffer): Buffer => {
  const bytes = Buffer.from(message);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
};
export const open = (stream: number): Buffer => headers(stream, ECHO);
/** A stream that has sent its first message. */
export const call = (stream: number): Buffer => Buffer.concat([open(stream), data(stream, grpc('first'))]);
export const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
/** The block of `headers`, without its frame. */
export const block = (stream: number): Buffer => open(stream).subarray(9);
const PING = Buffer.from('are you?');
export const ping = frame(TYPE.ping, 0, 0, PING);

export interface RawClient {
  send(...frames: readonly Buffer[]): void;
  frames(): ReturnType<typeof framesOf>;
  /** Waits for the first frame like this. */
  sees(type: number, stream: number, flags?: number): Promise<Buffer>;
  /** GOAWAY's code, and that the server has closed the connection. */
  closedWith(): Promise<number | undefined>;
  /** A ping has come back after all that was sent. */
  answers(): Promise<void>;
  readonly closed: Promise<Buffer>;
  pause(): void;
  destroy(): void;
}

export const rawClient = async (port: number, first: Buffer = HELLO): Promise<RawClient> => {
  const { socket, received, closed } = openSocket(port);
  await once(socket, 'connect');
  socket.setNoDelay(true);
  if (first.length > 0) socket.write(first);
  const frames = (): ReturnType<typeof framesOf> => framesOf(received());
  const pongs = (): number => frames().filter(({ type, flags }) => type === TYPE.ping && flags === FLAG.ack).length;
  return {
    closed,
    frames,
    send: (...all) => void socket.write(Buffer.concat(all)),
    sees: async (type, stream, flags = 0) => {
      const find = (): Buffer | undefined =>
        frames().find((one) => one.type === type && one.stream === stream && (one.flags & flags) === flags)?.payload;
      await eventually(`frame of type ${type} on stream ${stream}`, () => find() !== undefined);
      return find() ?? Buffer.alloc(0);
    },
    closedWith: async () => {
      const all = framesOf(await closed);
      return all.find(({ type }) => type === TYPE.goAway)?.payload.readUInt32BE(4);
    },
    answers: async () => {
      const before = pongs();
      socket.write(ping);
      await eventually('the ping is answered', () => pongs() > before);
    },
    pause: () => void socket.pause(),
    destroy: () => void socket.destroy(),
  };
};

export const startH2 = (options?: StandOptions): Promise<Stand> =>
  startStand((transport) => new H2Transport(transport), options);
