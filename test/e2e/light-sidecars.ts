/** Sidecars without an Envoy: the sidecar client of this repository, for tests that need more of them than Envoys fit on a machine. */

import type { HostPort } from '../../src/runtime/index.ts';
import type { UpdateEffect } from '../../src/sidecar-client/index.ts';
import { connectSidecar, type SidecarClient } from '../../src/sidecar-client/index.ts';

export interface LightSidecarInput {
  readonly xds: HostPort;
  /** `<service>.<namespace>` */
  readonly service: string;
  readonly id: string;
  readonly onUpdate?: (update: UpdateEffect) => void;
}

/** Connects; resolves when the control plane has answered. */
export const startLightSidecar = async ({ xds, service, id, onUpdate }: LightSidecarInput): Promise<SidecarClient> => {
  const [name = '', namespace = ''] = service.split('.');
  const client = connectSidecar({
    addresses: [xds],
    node: { id, cluster: service, metadata: { service: name, namespace } },
    listeners: true,
    idle: true,
    ...(onUpdate === undefined ? {} : { onUpdate }),
  });
  await client.start();
  return client;
};
