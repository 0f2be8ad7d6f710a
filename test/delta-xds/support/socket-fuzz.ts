/** Mutated requests, and damaged gRPC frames, over real sockets: streams of several methods, several at a time on one connection. */
import type { ClientHttp2Session } from 'node:http2';
import { frame, type GrpcStream, openConnection, openStream } from '../../support/grpc-streams.ts';
import { type Conversation, recordCorpus } from './fuzz-corpus.ts';
import { MemoryMesh } from './memory-mesh.ts';
import { MemoryServer } from './memory-server.ts';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';

const STREAMS = 16;
/** Streams of one connection before the next is opened. */
const PER_CONNECTION = 64;

const pause = (): Promise<void> => new Promise((done) => setImmediate(done));

/** A frame whose length, flag or end is wrong. */
const damagedFrame = (message: Uint8Array, random: Random): Buffer => {
  const framed = frame(message);
  if (random.chance(0.3)) framed[0] = random.below(256);
  else if (random.chance(0.5)) framed.writeUInt32BE(random.below(2 ** 32), 1);
  else return framed.subarray(0, random.below(framed.length + 1));
  return framed;
};

export interface SocketFuzzReport {
  readonly requests: number;
  readonly responses: number;
  /** gRPC status -> streams that ended with it; -1: without one. */
  readonly ended: ReadonlyMap<number, number>;
}

export const socketFuzz = async (port: number, seed: number, count: number): Promise<SocketFuzzReport> => {
  const random = new Random(seed);
  const corpus = recordCorpus(new MemoryServer(new MemoryMesh()));
  const ended = new Map<number, number>();
  let responses = 0;
  let opened = 0;
  let connection: ClientHttp2Session | undefined;
  const old: ClientHttp2Session[] = [];
  const open = (): { readonly stream: GrpcStream; readonly conversation: Conversation; left: number } => {
    if (connection === undefined || connection.closed || connection.destroyed || opened++ % PER_CONNECTION === 0) {
      if (connection !== undefined) old.push(connection);
      if (old.length > 4) old.shift()?.destroy();
      connection = openConnection(port);
    }
    const conversation = random.pick(corpus);
    const stream = openStream(connection, conversation.method.path, {
      onMessage: () => responses++,
      onEnd: (status) => ended.set(status?.code ?? -1, (ended.get(status?.code ?? -1) ?? 0) + 1),
    });
    const [first] = conversation.requests;
    if (first !== undefined && random.chance(0.9)) stream.send(first);
    return { stream, conversation, left: 1 + random.below(20) };
  };
  const running = Array.from({ length: STREAMS }, open);
  for (let sent = 0; sent < count; sent++) {
    const place = random.below(STREAMS);
    const one = running[place];
    if (one === undefined) continue;
    const { requests } = one.conversation;
    const message = mutate(random.pick(requests), random.pick(requests), random);
    if (random.chance(0.03)) {
      if (!one.stream.raw.destroyed && !one.stream.raw.writableEnded)
        one.stream.raw.write(damagedFrame(message, random));
    } else one.stream.send(message);
    if (--one.left <= 0 || one.stream.raw.destroyed) {
      if (random.chance(0.5)) one.stream.halfClose();
      else one.stream.cancel();
      running[place] = open();
    }
    if (sent % 8 === 0) await pause();
  }
  for (const { stream } of running) stream.cancel();
  for (const each of [...old, connection]) each?.destroy();
  return { requests: count, responses, ended };
};
