/** The two kinds of sidecar of the demo: a real Envoy, or the built-in client where no Envoy can be had. */
import { type AddressInfo, createConnection, createServer } from 'node:net';
import { TendrilError } from '../../model/index.ts';
import { envoyBootstrap, type HostPort } from '../../runtime/index.ts';
import { connectSidecar } from '../../sidecar-client/index.ts';
import { callHttp, callTcp, type GrpcCaller } from './calls.ts';
import { startEnvoySidecar } from './envoy.ts';
import { type DemoService, NAMESPACE } from './mesh.ts';

const ADDRESS = '127.0.0.1';
const READY_MS = 20_000;

/** What the application sees of its sidecar. */
export interface DemoSidecar {
  readonly service: string;
  readonly id: string;
  call(callee: DemoService, path: string): Promise<void>;
  stop(): Promise<void>;
}

export interface SidecarOptions {
  readonly service: string;
  readonly xds: HostPort;
  readonly endpoint: string | undefined;
  readonly inboundPort: number | undefined;
  /** TCP callee -> local port of its listener. */
  readonly tcpPorts: ReadonlyMap<string, number>;
  readonly grpc: GrpcCaller;
}

/** A loopback port that was free a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen(0, ADDRESS, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });

const accepts = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = createConnection({ host: ADDRESS, port });
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });

const authorityOf = (callee: DemoService): string => `${callee.name}.${NAMESPACE}:${callee.port}`;

/** Starts an Envoy and waits until it takes the application's calls. */
export const startEnvoy = async (
  binary: string,
  options: SidecarOptions,
  signal: AbortSignal,
): Promise<DemoSidecar> => {
  const [outboundPort, adminPort] = [await freePort(), await freePort()];
  const id = `sidecar~${options.endpoint ?? options.service}~${options.service}.${NAMESPACE}`;
  const envoy = startEnvoySidecar(
    binary,
    envoyBootstrap({
      service: `${options.service}.${NAMESPACE}`,
      id,
      xds: options.xds,
      adminPort,
      outboundPort,
      inboundPort: options.inboundPort,
      endpoint: options.endpoint,
    }),
  );
  const wanted = [
    outboundPort,
    ...options.tcpPorts.values(),
    ...(options.inboundPort === undefined ? [] : [options.inboundPort]),
  ];
  const deadline = Date.now() + READY_MS;
  for (const port of wanted)
    while (!(await accepts(port))) {
      if (signal.aborted) break;
      if (Date.now() > deadline) {
        await envoy.stop();
        throw new TendrilError(
          'DEMO_ENVOY',
          `the Envoy of ${options.service} does not listen on port ${port}:\n${envoy.output()}`,
        );
      }
      await new Promise((next) => setTimeout(next, 25));
    }
  return {
    service: options.service,
    id,
    call: (callee, path) => {
      if (callee.protocol === 'tcp') return callTcp(ADDRESS, options.tcpPorts.get(callee.name) ?? 0);
      if (callee.protocol === 'http') return callHttp(ADDRESS, outboundPort, authorityOf(callee), path);
      return options.grpc.call(ADDRESS, outboundPort, authorityOf(callee));
    },
    stop: () => envoy.stop(),
  };
};

/** The built-in client: asks as an Envoy would, then dials the endpoint itself. */
export const startBuiltIn = async (options: SidecarOptions): Promise<DemoSidecar> => {
  const id = `sidecar~${options.endpoint ?? options.service}~${options.service}.${NAMESPACE}`;
  const client = connectSidecar({
    addresses: [options.xds],
    node: {
      id,
      cluster: `${options.service}.${NAMESPACE}`,
      metadata: { service: options.service, namespace: NAMESPACE },
    },
  });
  await client.start();
  return {
    service: options.service,
    id,
    call: async (callee, path) => {
      const [endpoint] = await client.resolve(authorityOf(callee));
      if (endpoint === undefined) throw new TendrilError('DEMO_NO_ENDPOINT', `${callee.name} has no endpoint`);
      if (callee.protocol === 'tcp') return callTcp(endpoint.address, endpoint.port);
      if (callee.protocol === 'http') return callHttp(endpoint.address, endpoint.port, authorityOf(callee), path);
      return options.grpc.call(endpoint.address, endpoint.port, authorityOf(callee));
    },
    stop: () => client.close(),
  };
};
