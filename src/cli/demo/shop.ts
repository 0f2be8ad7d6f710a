/** The running demo: control plane, toy applications, their sidecars, and the traffic between them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveConfig, startServer } from '../../runtime/index.ts';
import { AdminClient } from '../client.ts';
import { pause } from '../pause.ts';
import { atExit } from './at-exit.ts';
import { GrpcCaller } from './calls.ts';
import { calleesOf, callersOf, type DemoMesh, type DemoService, NAMESPACE } from './mesh.ts';
import { type DemoSidecar, freePort, startBuiltIn, startEnvoy } from './sidecars.ts';
import { startToyService, type ToyService } from './toy-service.ts';

const ADDRESS = '127.0.0.1';
const SETTLE_MS = 3_000;
const POLL_MS = 100;
const endpointId = (service: string): string => `${service}-1`;

export interface ShopOptions {
  readonly mesh: DemoMesh;
  /** Undefined: the built-in client stands in for Envoy. */
  readonly envoy: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

export interface Shop {
  readonly mesh: DemoMesh;
  readonly admin: AdminClient;
  /** One visit: the load generator walks one journey. Rejects when a call of it failed. */
  visit(path: string): Promise<void>;
  /** Resolves when the log has an edge for each call of the mesh, or after 3 s: edges are written behind the calls. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts everything; what was started is ended again when a later part fails. */
export const openShop = async (options: ShopOptions): Promise<Shop> => {
  const { mesh, progress } = options;
  const ending: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of ending.splice(0).reverse()) await end().catch(() => undefined);
  };
  try {
    const data = mkdtempSync(join(tmpdir(), 'tendril-demo-'));
    const remove = (): void => rmSync(data, { recursive: true, force: true });
    const forget = atExit(remove);
    ending.push(async () => {
      remove();
      forget();
    });
    const server = await startServer(
      resolveConfig({ flags: { data, xds: `${ADDRESS}:0`, admin: `${ADDRESS}:0`, 'log-level': 'warn' }, env: {} }),
      options.signal,
    );
    ending.push(() => server.stop());
    const admin = new AdminClient(`http://${server.admin.host}:${server.admin.port}`);
    progress(`control plane: xDS ${server.xds.host}:${server.xds.port}, API ${admin.server}, event log in ${data}`);

    const sidecars = new Map<string, DemoSidecar>();
    const callers = callersOf(mesh);
    const entry = mesh.calls[0];
    const frontend = entry?.[1];
    const callAll = async (caller: string, callees: readonly DemoService[], path: string): Promise<void> => {
      const sidecar = sidecars.get(caller);
      if (sidecar === undefined) return;
      await Promise.all(callees.map((callee) => sidecar.call(callee, path)));
    };
    const workOf =
      (service: DemoService) =>
      (path: string): Promise<void> => {
        const journey =
          service.name === frontend ? mesh.journeys.find((candidate) => candidate.path === path) : undefined;
        const callees = calleesOf(mesh, service.name);
        return callAll(
          service.name,
          journey === undefined ? callees : callees.filter(({ name }) => journey.calls.includes(name)),
          path,
        );
      };

    const toys = new Map<string, ToyService>();
    const inboundPorts = new Map<string, number>();
    const events: unknown[] = [];
    for (const service of mesh.services) {
      if (service.port === null || service.protocol === null) continue;
      const toy = await startToyService(service.protocol, workOf(service));
      ending.push(() => toy.close());
      toys.set(service.name, toy);
      if (options.envoy !== undefined && callers.includes(service.name))
        inboundPorts.set(service.name, await freePort());
      const inbound = inboundPorts.get(service.name);
      const { name, port, protocol } = service;
      events.push(
        { type: 'service.registered', data: { namespace: NAMESPACE, name, ports: [{ port, protocol }] } },
        {
          type: 'endpoint.registered',
          data: {
            namespace: NAMESPACE,
            service: name,
            id: endpointId(name),
            address: ADDRESS,
            ports: { [port]: toy.port },
            ...(inbound === undefined ? {} : { inbound: { [port]: inbound } }),
          },
        },
      );
    }
    const tcpPorts = new Map<string, Map<string, number>>();
    for (const caller of callers)
      for (const callee of calleesOf(mesh, caller).filter(({ protocol }) => protocol === 'tcp')) {
        const port = await freePort();
        tcpPorts.set(caller, (tcpPorts.get(caller) ?? new Map()).set(callee.name, port));
        const to = { [`${callee.name}.${NAMESPACE}:${callee.port}`]: { localPort: port } };
        const document = { apiVersion: 'tendril.dev/v1', kind: 'Dependency', metadata: { name: caller }, spec: { to } };
        events.push({ type: 'policy.applied', data: { document } });
      }
    await admin.request('/v1/events?wait=applied', { method: 'POST', body: JSON.stringify({ events }) });
    progress(`mesh: ${toys.size} services registered by ${events.length} events`);

    const grpc = new GrpcCaller();
    ending.push(async () => grpc.close());
    for (const service of callers) {
      const common = {
        service,
        xds: server.xds,
        endpoint: toys.has(service) ? endpointId(service) : undefined,
        inboundPort: inboundPorts.get(service),
        tcpPorts: tcpPorts.get(service) ?? new Map<string, number>(),
        grpc,
      };
      const sidecar =
        options.envoy === undefined
          ? await startBuiltIn(common)
          : await startEnvoy(options.envoy, common, options.signal);
      ending.push(() => sidecar.stop());
      sidecars.set(service, sidecar);
    }
    progress(
      `sidecars: ${sidecars.size} ${options.envoy === undefined ? 'built-in clients' : 'Envoys'}, beside ${callers.join(', ')}`,
    );

    return {
      mesh,
      admin,
      visit: (path) => (entry === undefined ? Promise.resolve() : callAll(entry[0], calleesOf(mesh, entry[0]), path)),
      settled: async () => {
        const deadline = Date.now() + SETTLE_MS;
        while (!options.signal.aborted && Date.now() < deadline) {
          if ((await admin.all('/v1/graph', 'edges')).length >= mesh.calls.length) return;
          await pause(POLL_MS, options.signal);
        }
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
};
