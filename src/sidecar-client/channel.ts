/** The channel to a control plane: of the client's own connection, and of the agent's relay. */
import type { ChannelCredentials, Client } from '@grpc/grpc-js';
import { grpcJs } from './grpc-js.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** As it is written: an IPv6 address in brackets. */
export const addressText = ({ host, port }: HostPort): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** Pings of a silent connection. */
export interface Keepalive {
  /** Silent for so long: a ping, ms. */
  readonly timeMs: number;
  /** No answer for so long after it: the connection is given up, ms. */
  readonly timeoutMs: number;
}

/** A control plane that stands still keeps its connections: after 15 s the next address is tried (reference/reliability.md, F-gray). */
const KEEPALIVE: Keepalive = { timeMs: 10_000, timeoutMs: 5_000 };

const OPTIONS = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.enable_channelz': 0,
  // Every client has a connection of its own, as every Envoy has.
  'grpc.use_local_subchannel_pool': 1,
};

/** A channel of its own to one address. `given`: default plaintext. */
export const channelTo = (
  to: HostPort,
  given?: ChannelCredentials,
  { timeMs, timeoutMs }: Keepalive = KEEPALIVE,
): Client => {
  const { Client, credentials } = grpcJs();
  return new Client(addressText(to), given ?? credentials.createInsecure(), {
    ...OPTIONS,
    'grpc.keepalive_time_ms': timeMs,
    'grpc.keepalive_timeout_ms': timeoutMs,
  });
};
