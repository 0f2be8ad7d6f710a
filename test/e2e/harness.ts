/** A whole Tendril with real Envoys, for the tests of this folder: events in by HTTP, requests out through the sidecar. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostPort } from '../../src/runtime/index.ts';
import { freePorts } from '../support/ports.ts';
import { type ControlPlane, serveHere, serveInChild } from './serve.ts';
import { type Sidecar, type SidecarInput, startSidecar } from './sidecar.ts';

export interface EventInput {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export interface RequestInit {
  /** Default: YAML for a text, JSON for anything else. */
  readonly contentType?: string;
  readonly timeoutMs?: number;
}

/** Row of `GET /v1/proxies`, as far as the tests read it. */
export interface ProxyRow {
  readonly id: string;
  readonly state: string;
  readonly streams: number;
  /** Bytes of all responses on its present streams, and resources in them. */
  readonly bytes: number;
  readonly resources: number;
  readonly connectedAt?: string;
}

/** Row of `GET /v1/proxies/{id}/resources`. */
export interface ResourceRow {
  readonly type: string;
  readonly name: string;
  readonly version?: string;
  readonly state: string;
  readonly bytes?: number;
  readonly sentAt?: string;
}

export interface Mesh {
  readonly server: ControlPlane;
  readonly data: string;
  /** `POST /v1/events?wait=applied`, at most 1,000 events a request; fails the test unless 200. */
  events(...events: readonly EventInput[]): Promise<void>;
  /** `POST /v1/docs:apply?wait=applied` with YAML, without its `apiVersion` lines; fails the test unless 200. */
  docs(yaml: string): Promise<void>;
  request(method: string, path: string, body?: unknown, init?: RequestInit): Promise<Answer>;
  sidecar(input: SidecarInput): Promise<Sidecar>;
  /** The sidecar as the control plane sees it; undefined: not connected. */
  proxy(sidecar: Sidecar): Promise<ProxyRow | undefined>;
  /** Value of a metric of the control plane, summed over its labels; fails the test when there is none. */
  metric(name: string): Promise<number>;
  /** What the control plane says that it holds. */
  resources(sidecar: Sidecar): Promise<readonly ResourceRow[]>;
  /**
   * Starts again on the same data and ports after the control plane was killed.
   * @param xds another xDS address, where no sidecar looks for it
   */
  start(xds?: HostPort): Promise<void>;
  stop(): Promise<void>;
}

export interface MeshOptions {
  /** Default 0: everything in this process; or `TENDRIL_TEST_WORKERS`. */
  readonly workers?: number;
  /** Default `memory`. */
  readonly log?: 'memory' | 'lmdb';
  /** The whole control plane, supervisor included, in a process of its own that can be killed. */
  readonly child?: boolean;
  /** `--xds-limits`. */
  readonly xdsLimits?: string;
  /** Further flags of `tendril serve`. */
  readonly flags?: Readonly<Record<string, string>>;
}

const DEFAULT_REQUEST_MS = 60_000;
const BATCH = 1_000;

const call = async (
  base: string,
  method: string,
  path: string,
  body: unknown,
  { contentType, timeoutMs = DEFAULT_REQUEST_MS }: RequestInit,
): Promise<Answer> => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const type = contentType ?? (typeof body === 'string' ? 'application/yaml' : 'application/json');
  const response = await fetch(`${base}${path}`, {
    method,
    signal: AbortSignal.timeout(timeoutMs),
    ...(body === undefined ? {} : { body: text, headers: { 'content-type': type } }),
  });
  const answer = await response.text();
  return { status: response.status, body: answer === '' ? {} : (JSON.parse(answer) as Record<string, unknown>) };
};

export interface EndpointInput {
  readonly id: string;
  /** Service port -> port of the application. */
  readonly ports: Readonly<Record<string, number>>;
  readonly [field: string]: unknown;
}

export const endpointEvent = (service: string, endpoint: EndpointInput, namespace = 'default'): EventInput => ({
  type: 'endpoint.registered',
  data: { namespace, service, address: '127.0.0.1', ...endpoint },
});

export const healthEvent = (service: string, id: string, health: string, namespace = 'default'): EventInput => ({
  type: 'endpoint.health-changed',
  data: { namespace, service, id, health },
});

/** Registers one service with its endpoints on loopback. */
export const serviceEvents = (
  name: string,
  ports: readonly { readonly port: number; readonly protocol: string }[],
  endpoints: readonly EndpointInput[],
  options: { readonly namespace?: string; readonly visibility?: unknown } = {},
): EventInput[] => {
  const { namespace = 'default', ...rest } = options;
  return [
    { type: 'service.registered', data: { namespace, name, ports, ...rest } },
    ...endpoints.map((endpoint) => endpointEvent(name, endpoint, namespace)),
  ];
};

/** Waits until `check` is true; fails with `what` after `ms`. */
export const eventually = async (what: string, check: () => Promise<boolean> | boolean, ms = 60_000): Promise<void> => {
  const deadline = Date.now() + ms;
  for (;;) {
    if (await check()) return;
    if (Date.now() > deadline) assert.fail(`not within ${ms} ms: ${what}`);
    await new Promise((next) => setTimeout(next, 20));
  }
};

const withApiVersion = (yaml: string): string =>
  yaml
    .split(/^---$/m)
    .map((part) => `apiVersion: tendril.dev/v1\n${part.trimStart()}`)
    .join('\n---\n');

export const startMesh = async (options: MeshOptions = {}): Promise<Mesh> => {
  const data = mkdtempSync(join(tmpdir(), 'tendril-e2e-'));
  const serve = options.child === true ? serveInChild : serveHere;
  const flags = (xds: HostPort, admin: HostPort): Record<string, string> => ({
    data,
    xds: `127.0.0.1:${xds.port}`,
    admin: `127.0.0.1:${admin.port}`,
    workers: String(options.workers ?? process.env.TENDRIL_TEST_WORKERS ?? 0),
    log: options.log ?? 'memory',
    'log-level': process.env.TENDRIL_TEST_LOG ?? 'error',
    'disk-reserve': '1000000',
    ...(options.xdsLimits === undefined ? {} : { 'xds-limits': options.xdsLimits }),
    ...options.flags,
  });
  // One that is killed comes back at the same ports: no outgoing connection may take them meanwhile.
  const [xdsPort = 0, adminPort = 0] = options.child === true ? await freePorts(2) : [];
  const at = (port: number): HostPort => ({ host: '127.0.0.1', port });
  let server = await serve(flags(at(xdsPort), at(adminPort)));
  const { admin, xds } = server;
  const sidecars: Sidecar[] = [];

  const request: Mesh['request'] = (method, path, body, init = {}) =>
    call(`http://127.0.0.1:${admin.port}`, method, path, body, init);
  const ok = async (method: string, path: string, body: unknown): Promise<void> => {
    const answer = await request(method, path, body);
    assert.equal(answer.status, 200, `${method} ${path}: ${JSON.stringify(answer.body)}`);
  };
  const pathOf = (sidecar: Sidecar): string => `/v1/proxies/${encodeURIComponent(sidecar.id)}`;

  return {
    get server() {
      return server;
    },
    data,
    events: async (...events) => {
      for (let at = 0; at < events.length; at += BATCH)
        await ok('POST', '/v1/events?wait=applied&timeout=60s', { events: events.slice(at, at + BATCH) });
    },
    docs: (yaml) => ok('POST', '/v1/docs:apply?wait=applied&timeout=60s', withApiVersion(yaml)),
    request,
    sidecar: async (input) => {
      const made = await startSidecar(input, xds);
      sidecars.push(made);
      await made.envoy.live();
      return made;
    },
    proxy: async (sidecar) => {
      const answer = await request('GET', pathOf(sidecar));
      return answer.status === 200 ? (answer.body as unknown as ProxyRow) : undefined;
    },
    metric: async (name) => {
      const text = await (await fetch(`http://127.0.0.1:${admin.port}/metrics`)).text();
      const rows = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))];
      assert.ok(rows.length > 0, `no metric ${name}`);
      return rows.reduce((sum, [, value]) => sum + Number(value), 0);
    },
    resources: async (sidecar) => {
      const { status, body } = await request('GET', `${pathOf(sidecar)}/resources?limit=10000`);
      assert.equal(status, 200, JSON.stringify(body));
      return body.resources as readonly ResourceRow[];
    },
    start: async (elsewhere) => {
      server = await serve(flags(elsewhere ?? xds, admin));
    },
    stop: async () => {
      await Promise.all(sidecars.map((each) => each.stop().catch(() => undefined)));
      await server.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
};
