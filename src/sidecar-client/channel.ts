/** The channel to a control plane: of the client's own connection, and of the agent's relay. */
import type { ChannelCredentials, Client } from '@grpc/grpc-js';
import { grpcJs } from './grpc-js.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const OPTIONS = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // A control plane that stands still keeps its connections: after 15 s the next address is tried (reference/reliability.md, F-gray).
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.enable_channelz': 0,
  // Every client has a connection of its own, as every Envoy has.
  'grpc.use_local_subchannel_pool': 1,
};

/** A channel of its own to one address. `given`: default plaintext. */
export const channelTo = ({ host, port }: HostPort, given?: ChannelCredentials): Client => {
  const { Client, credentials } = grpcJs();
  return new Client(
    `${host.includes(':') ? `[${host}]` : host}:${port}`,
    given ?? credentials.createInsecure(),
    OPTIONS,
  );
};
