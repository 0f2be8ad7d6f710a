/**
 * A server over real gRPC on a mesh in memory, for tests of what shows on the wire; ends with the test file. On the transport that
 * `serve` takes; the other one passes too (XDS_TRANSPORT=grpc-js).
 */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AdsServer, createAdsServer, DeliveryLog, type ServerLimits } from '../../../src/delta-xds/index.ts';
import { type Delivered, deliveredIn } from './delivered.ts';
import { assignmentBody, clusterBody, MemoryMesh, virtualHostBody } from './memory-mesh.ts';
import { RawClient, RawStateClient } from './raw-client.ts';

const transport = process.env.XDS_TRANSPORT === 'grpc-js' ? 'grpc-js' : 'http2';

const open: { close(): unknown }[] = [];
after(async () => {
  for (const one of open.reverse()) await one.close();
});

export interface Stand {
  readonly mesh: MemoryMesh;
  readonly server: AdsServer;
  readonly port: number;
  readonly ledger: () => readonly Delivered[];
}

export interface StandOptions {
  readonly limits?: Partial<ServerLimits>;
  readonly mesh?: MemoryMesh;
  readonly identifier?: string;
  readonly offset?: () => number;
}

/** A server of its own on a port of its own. */
export const standUp = async (options: StandOptions = {}): Promise<Stand> => {
  const { limits = {}, mesh = new MemoryMesh(), identifier = 'tendril/test/0', offset = () => 42 } = options;
  const deliveries = new DeliveryLog();
  const server = createAdsServer({
    source: mesh,
    transport,
    limits,
    clock: () => performance.now(),
    now: Date.now,
    random: Math.random,
    logger: { info: () => undefined, warn: () => undefined },
    identifier,
    offset,
    deliveries,
  });
  open.push(server);
  const { port } = await server.listen('127.0.0.1', 0);
  return { mesh, server, port, ledger: () => deliveredIn(deliveries) };
};

/** A delta stream by hand. */
export const stream = (...args: ConstructorParameters<typeof RawClient>): RawClient => {
  const client = new RawClient(...args);
  open.push(client);
  return client;
};

/** A state-of-the-world stream by hand. */
export const stateStream = (...args: ConstructorParameters<typeof RawStateClient>): RawStateClient => {
  const client = new RawStateClient(...args);
  open.push(client);
  return client;
};

/** An HTTP service port in the mesh: cluster, one endpoint, virtual host. */
export const putService = (mesh: MemoryMesh, name: string, version: string): void => {
  mesh.set('cds', name, clusterBody(name, `c-${version}`, true));
  mesh.set('eds', name, assignmentBody(name, `e-${version}`, [8_080]));
  mesh.set('vhds', name, virtualHostBody(`h-${version}`, [name.slice(0, name.indexOf(':')), name], [name]));
};

export const eventually = async (what: string, holds: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 6_000; tries++) {
    if (holds()) return;
    await sleep(10);
  }
  assert.fail(`never: ${what}`);
};
