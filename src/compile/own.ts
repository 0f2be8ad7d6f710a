/**
 * A node's own resources: its listeners and the clusters of its application (contracts, "listeners"). A pure function of the
 * node's facts, not stored: workers compile and memoise them.
 */
import { OUTBOUND_NAME } from '../model/index.ts';
import { Cluster, Listener } from '../proto/index.ts';
import { TCP_EDGE_LOG } from './access-log.ts';
import { inboundCluster, inboundClusterName, inboundListener, inboundListenerName } from './inbound-listener.ts';
import { listener, OUTBOUND, tcpProxy } from './listener-parts.ts';
import { outboundListener } from './outbound-listener.ts';
import type { EndpointView, OwnInputs, OwnResource, OwnResources, ServiceView } from './types.ts';
import { ADS_ON_DEMAND, ON_DEMAND_TIMEOUT, resource } from './values.ts';

interface Inbound {
  readonly spec: ServiceView['ports'][number];
  /** Port of the listener. */
  readonly listen: number;
  /** Port of the application. */
  readonly target: number;
}

/**
 * Ports that get a listener: `endpoint.inbound[p]`, else the node's `listen.inbound` when the service has one port only. Not
 * where listener and application would be the same address: the sidecar would call itself, or take the application's port.
 */
const inboundPorts = (service: ServiceView, endpoint: EndpointView, listen: OwnInputs['listen']): readonly Inbound[] =>
  [...service.ports]
    .sort((a, b) => a.port - b.port)
    .flatMap((spec) => {
      const port = endpoint.inbound?.[spec.port] ?? (service.ports.length === 1 ? listen.inbound : undefined);
      const target = endpoint.ports?.[spec.port] ?? spec.port;
      if (port === undefined || (port === target && endpoint.address === listen.address)) return [];
      return [{ spec, listen: port, target }];
    });

const tcpListener = (servicePort: string, address: string, localPort: number, onDemand: boolean): OwnResource => {
  const name = `tcp/${servicePort}`;
  return resource(
    Listener,
    listener(name, address, localPort, OUTBOUND, [
      tcpProxy({
        statPrefix: name,
        cluster: servicePort,
        ...TCP_EDGE_LOG,
        ...(onDemand ? { onDemand: { odcdsConfig: ADS_ON_DEMAND, timeout: ON_DEMAND_TIMEOUT } } : {}),
      }),
    ]),
  );
};

/**
 * Listeners `outbound`, `inbound/<service port>` (only with an endpoint record), `tcp/<service port>`, and clusters
 * `inbound:<service port>`, in that order.
 */
export const compileOwn = (inputs: OwnInputs): OwnResources => {
  const { listen, service, endpoint } = inputs;
  const listeners = new Map<string, OwnResource>();
  const clusters = new Map<string, OwnResource>();
  listeners.set(
    OUTBOUND_NAME,
    resource(Listener, outboundListener(inputs, listen.address, listen.outbound, inputs.onDemand, inputs.routes)),
  );
  if (service !== undefined && endpoint !== undefined) {
    for (const { spec, listen: port, target } of inboundPorts(service, endpoint, listen)) {
      listeners.set(inboundListenerName(spec.port), resource(Listener, inboundListener(spec, listen.address, port)));
      clusters.set(inboundClusterName(spec.port), resource(Cluster, inboundCluster(spec, endpoint.address, target)));
    }
  }
  for (const { servicePort, localPort } of inputs.tcp) {
    listeners.set(`tcp/${servicePort}`, tcpListener(servicePort, listen.address, localPort, inputs.onDemand));
  }
  return { listeners, clusters };
};
