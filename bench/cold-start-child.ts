/**
 * Some of the sidecars of `cold-start.ts`, each with a connection of its own. A sidecar knows nothing: it opens its types as a stock Envoy
 * does, and when its route configuration is there it asks for its services, all at once. It keeps names only: decoding every body would be
 * a measurement of the client.
 */
import { performance } from 'node:perf_hooks';
import {
  CDS,
  type DeltaRequest,
  decodeDeltaResponse,
  EDS,
  encodeDeltaRequest,
  GRPC_PATHS,
  LDS,
  RDS,
  VHDS,
} from '../src/proto/index.ts';
import { type GrpcStream, openConnection, openStream } from '../test/support/grpc-streams.ts';

export interface ColdStartShare {
  readonly port: number;
  /** Numbers of its sidecars. */
  readonly from: number;
  readonly count: number;
  /** Services that call, services there are, services that each caller asks for. */
  readonly callers: number;
  readonly services: number;
  readonly asks: number;
}

export interface ColdStartReport {
  /** Own connect -> answer of the last service with its cluster and endpoints, ms; of those that completed. */
  readonly times: readonly number[];
  /** Streams that ended before, by the reason; each was tried again as Envoy does, and its time goes on. */
  readonly broken: Readonly<Record<string, number>>;
  /** Of the first connect and of the last answer, ms since the epoch. */
  readonly began: number;
  readonly ended: number;
  readonly bytes: number;
  readonly cpuMs: number;
}

/** Full jitter up to this, as the bootstrap of our Envoys has it. */
const RETRY_MS = 1_000;

const nothing: Omit<DeltaRequest, 'typeUrl'> = {
  subscribe: [],
  unsubscribe: [],
  initialResourceVersions: new Map(),
  responseNonce: '',
};
const now = (): number => performance.timeOrigin + performance.now();

const runShare = async (share: ColdStartShare): Promise<ColdStartReport> => {
  const { port, from, count, callers, services, asks } = share;
  const times: number[] = [];
  const broken: Record<string, number> = {};
  let [bytes, ended] = [0, 0];
  const began = now();
  const closes: (() => void)[] = [];
  let done: () => void = () => undefined;
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  const finish = (): void => {
    if (times.length === count) done();
  };

  const start = (index: number, connected: number): void => {
    const caller = index % callers;
    const wanted = Array.from({ length: asks }, (_, at) => `svc-${(caller * 7 + at * 13) % services}.default:80`);
    const missing = new Set(wanted.flatMap((name) => [`${CDS} ${name}`, `${EDS} ${name}`, `${VHDS} outbound/${name}`]));
    let isAsked = false;
    let isOver = false;
    const connection = openConnection(port);
    closes.push(() => connection.destroy());
    const send = (stream: GrpcStream, request: Partial<DeltaRequest> & { readonly typeUrl: string }): void =>
      stream.send(encodeDeltaRequest({ ...nothing, ...request }));
    const over = (reason?: string): void => {
      if (isOver) return;
      isOver = true;
      if (reason !== undefined) {
        broken[reason] = (broken[reason] ?? 0) + 1;
        setTimeout(() => start(index, connected), Math.random() * RETRY_MS);
      } else {
        ended = now();
        times.push(ended - connected);
      }
      finish();
    };
    const stream = openStream(connection, GRPC_PATHS.delta, {
      onMessage: (message) => {
        bytes += message.length;
        const { typeUrl, nonce, resources } = decodeDeltaResponse(message);
        send(stream, { typeUrl, responseNonce: nonce });
        const names = resources.map(({ name }) => name);
        for (const name of names) missing.delete(`${typeUrl} ${name}`);
        if (typeUrl === CDS) {
          const eds = names.filter((name) => !name.startsWith('inbound:'));
          if (eds.length > 0) send(stream, { typeUrl: EDS, subscribe: eds });
        }
        // Its listener is up: what siblings have brought is there, what is not is asked for.
        if (typeUrl === VHDS && !isAsked) {
          isAsked = true;
          for (const name of wanted)
            if (missing.has(`${VHDS} outbound/${name}`))
              send(stream, { typeUrl: VHDS, subscribe: [`outbound/${name.slice(0, name.indexOf(':'))}`] });
        }
        if (missing.size === 0) over();
      },
      onEnd: (status) => over(status === undefined ? 'connection lost' : `${status.code} ${status.message}`),
    });
    const [service, namespace] = [`app-${caller}`, 'default'];
    send(stream, {
      typeUrl: CDS,
      node: {
        id: `app-${index}`,
        cluster: `${service}.${namespace}`,
        metadata: { service, namespace },
        locality: { region: '', zone: '', subzone: '' },
        userAgentName: 'bench',
        clientFeatures: [],
      },
    });
    send(stream, { typeUrl: LDS });
    send(stream, { typeUrl: RDS, subscribe: ['outbound'] });
    send(stream, { typeUrl: VHDS });
  };
  for (let at = 0; at < count; at++) {
    start(from + at, now());
    // Sockets that are ready have their turn: the times shall be the server's.
    if (at % 20 === 19) await new Promise((next) => setImmediate(next));
  }
  await all;
  for (const close of closes) close();
  const { user, system } = process.cpuUsage();
  return { times, broken, began, ended, bytes, cpuMs: (user + system) / 1_000 };
};

process.once('message', (share: ColdStartShare) => {
  void runShare(share).then((report) => process.send?.(report, () => process.exit(0)));
});
