/**
 * The sidecars of alibaba.ts, in a process of their own: each has a gRPC stream of its own, holds one service, and acknowledges what it
 * gets. Told of each endpoint that they all have acknowledged.
 */
import type { HostPort } from '../src/runtime/index.ts';
import type { SidecarClient } from '../src/sidecar-client/index.ts';
import { startLightSidecar } from '../test/e2e/light-sidecars.ts';

export interface HoldersInput {
  readonly xds: HostPort;
  readonly count: number;
  /** `<service>.<namespace>:<port>` */
  readonly servicePort: string;
}

/** Port of the endpoint watched, and when the last of them had acknowledged it, ms since the epoch, with fractions. */
export type FromHolders =
  | { readonly t: 'ready' }
  | { readonly t: 'acknowledged'; readonly port: number; readonly at: number }
  | { readonly t: 'ended' };
export type ToHolders =
  | { readonly t: 'start'; readonly input: HoldersInput }
  | { readonly t: 'watch'; readonly port: number }
  | { readonly t: 'end' };

const say = (message: FromHolders): void => {
  process.send?.(message);
};
const clients: SidecarClient[] = [];
let watched = 0;
let servicePort = '';
const having = new Set<number>();

/** The client tells of an update and writes its ACK in the same step. */
const updated = (client: SidecarClient | undefined, index: number): void => {
  if (watched === 0 || client === undefined || having.has(index)) return;
  if (client.endpoints(servicePort)?.some(({ port }) => port === watched) !== true) return;
  having.add(index);
  if (having.size < clients.length) return;
  say({ t: 'acknowledged', port: watched, at: performance.timeOrigin + performance.now() });
  watched = 0;
};

const start = async (input: HoldersInput): Promise<void> => {
  servicePort = input.servicePort;
  for (let index = 0; index < input.count; index++) {
    const client = await startLightSidecar({
      xds: input.xds,
      id: `holder-${index}`,
      service: `holder-${index % 10}.bench`,
      onUpdate: () => updated(clients[index], index),
    });
    clients.push(client);
    if (!(await client.hold(servicePort))) throw new Error(`holder ${index} cannot hold ${servicePort}`);
  }
  say({ t: 'ready' });
};

process.on('message', (message: ToHolders) => {
  if (message.t === 'start') void start(message.input);
  else if (message.t === 'watch') {
    having.clear();
    watched = message.port;
  } else void Promise.all(clients.map((client) => client.close())).then(() => process.exit(0));
});
