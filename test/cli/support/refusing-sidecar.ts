/** A sidecar that takes what it is sent, until it is told to refuse virtual hosts, as an Envoy with a rule it cannot compile. */
import { CDS, decodeDeltaResponse, RDS, VHDS } from '../../../src/proto/index.ts';
import { nodeOf } from '../../delta-xds/support/memory-mesh.ts';
import { RawClient } from '../../delta-xds/support/raw-client.ts';
import { until } from './tendril.ts';

export interface RefusingSidecar {
  /** Asks for the virtual host of a service port and waits until it has it. */
  holds(servicePort: string): Promise<void>;
  /** From now on every response with virtual hosts is answered with this error. */
  refuse(message: string): void;
  close(): Promise<void>;
}

export const refusingSidecar = async (port: number, id: string, caller: string): Promise<RefusingSidecar> => {
  const raw = new RawClient(port);
  const held = new Set<string>();
  let refusal: string | undefined;
  raw.stream.on('data', (message: Buffer) => {
    const { typeUrl, nonce, resources } = decodeDeltaResponse(message);
    const refused = refusal !== undefined && typeUrl === VHDS && resources.length > 0;
    if (!refused) for (const { name } of resources) held.add(name);
    raw.send({
      typeUrl,
      responseNonce: nonce,
      ...(refused ? { errorDetail: { code: 13, message: refusal ?? '' } } : {}),
    });
  });
  const [service = '', namespace = ''] = caller.split('.');
  raw.send({ typeUrl: CDS, node: { ...nodeOf(caller, id), metadata: { service, namespace } } });
  raw.send({ typeUrl: RDS, subscribe: ['outbound'] });
  return {
    holds: async (servicePort) => {
      const name = `outbound/${servicePort}`;
      raw.send({ typeUrl: VHDS, subscribe: [name] });
      await until(
        () => (held.has(name) ? true : undefined),
        () => `${id} holds ${[...held].join(', ')}`,
      );
    },
    refuse: (message) => {
      refusal = message;
    },
    close: async () => {
      raw.close();
      await raw.status;
    },
  };
};
