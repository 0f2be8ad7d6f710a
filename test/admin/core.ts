/** A core without processes: real log, projector, ingest and HTTP API on a free port. Sessions of sidecars are given by the test. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type AdminOptions,
  type AdminPorts,
  type AdminServer,
  createAdminServer,
  type GraphStreamCounters,
  graphStreamCounters,
  type HealthPart,
  type ProxyView,
  type ResourceView,
} from '../../src/admin/index.ts';
import { AuditLog } from '../../src/audit/index.ts';
import { rawProblem } from '../../src/compile/index.ts';
import {
  createDryRun,
  DocumentGateway,
  documentsOfJson,
  documentsOfText,
  type FoldPort,
  Ingest,
  type IngestOptions,
  LearnedEdges,
} from '../../src/ingest/index.ts';
import { openEventLog } from '../../src/log/index.ts';
import { Ledger, Projector } from '../../src/projector/index.ts';
import { auditPort } from '../../src/runtime/auditing.ts';
import { Leases } from '../../src/runtime/leases/index.ts';
import { pastPort } from '../../src/runtime/past-port.ts';
import { rawPort } from '../../src/runtime/raw-port.ts';
import { Scrub } from '../../src/runtime/scrub/scrub.ts';

export interface Logged {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

/** Keeps what is logged. */
export const recordingLogger = () => {
  const lines: Logged[] = [];
  const write = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  return { lines, debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
};

/** Rejections of a signal that only a time-out can abort. */
const orElse = async <T, E>(promise: Promise<T>, otherwise: E, signal: AbortSignal): Promise<T | E> => {
  try {
    return await promise;
  } catch (error) {
    if (signal.aborted) return otherwise;
    throw error;
  }
};

/** The fold as writers see it; every commit is visible at once, because there are no workers. */
export const foldPortOf = (projector: Projector): FoldPort => ({
  outcomes: async (offsets, timeoutMs) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const notice = await orElse(projector.waitFor(offsets.at(-1) ?? 0, signal), undefined, signal);
    return notice === undefined ? undefined : projector.outcomesOf(offsets);
  },
  visible: async (offset, timeoutMs) => {
    const signal = AbortSignal.timeout(timeoutMs);
    return (await orElse(projector.waitFor(offset, signal), undefined, signal)) !== undefined;
  },
  lag: () => projector.lag(),
});

export interface CoreOptions {
  readonly admin?: Partial<AdminOptions>;
  readonly ingest?: Partial<IngestOptions>;
  readonly mesh?: string;
  /** Clock of the log. Default: the machine's. */
  readonly now?: () => number;
  /** Data directory to open again; kept then. */
  readonly dir?: string;
  readonly log?: 'memory' | 'lmdb';
  readonly health?: readonly HealthPart[];
  readonly ports?: Partial<AdminPorts>;
  /** Answers about sidecars are those of all workers. Default: true. */
  readonly allAnswered?: boolean;
  /** Looks over the shoulder of the readers of the log. */
  readonly wrapEvents?: (events: AdminPorts['events']) => AdminPorts['events'];
}

export interface Core {
  readonly url: string;
  readonly dir: string;
  readonly server: AdminServer;
  readonly projector: Projector;
  /** What the API says of earlier deliveries. */
  readonly ledger: Ledger;
  readonly log: Awaited<ReturnType<typeof openEventLog>>;
  readonly ingest: Ingest;
  readonly documents: DocumentGateway;
  readonly learned: LearnedEdges;
  readonly logger: ReturnType<typeof recordingLogger>;
  /** What the API says of sidecars. */
  readonly proxies: Map<string, { readonly proxy: ProxyView; readonly resources: readonly ResourceView[] }>;
  /** Of streams of the graph. */
  readonly graphStreams: GraphStreamCounters;
  close(): Promise<void>;
}

/** Closed and removed when the test ends. */
export const startCore = async (t: TestContext, options: CoreOptions = {}): Promise<Core> => {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'tendril-admin-')));
  const mesh = options.mesh ?? 'default';
  const logger = recordingLogger();
  const now = options.now ?? Date.now;
  const clock = { now };
  const log = await openEventLog({ kind: options.log ?? 'memory', mesh, clock, dir });
  const projector = await Projector.open({ dir, log, mesh, clock });
  const scrub = new Scrub({ dir, mesh, hours: 0, now, logger, busy: () => false, onFinding: () => undefined });
  const audit = await AuditLog.open({ dir, mesh, version: '0.0.0', clock });
  const ledger = await Ledger.open({ dir, mesh, clock });
  const ingest = new Ingest({
    log,
    fold: foldPortOf(projector),
    now,
    newId: randomUUID,
    rawCheck: rawProblem,
    ...options.ingest,
  });
  const { fold, graph } = projector;
  const gateway = new DocumentGateway({ ingest, state: fold, dryRun: createDryRun(fold) });
  const learned = new LearnedEdges({
    ingest,
    graph: { edge: (from, to) => fold.edges(from).find(to) },
    logger,
  });
  const proxies: Core['proxies'] = new Map();
  const graphStreams = graphStreamCounters();
  const leases = new Leases({
    state: fold,
    ingest,
    others: undefined,
    term: async () => assert.fail('no round is made here'),
    refuse: () => undefined,
    monotonic: () => performance.now(),
    logger,
  });
  const ports: AdminPorts = {
    ingest,
    documents: {
      ofText: documentsOfText,
      ofJson: documentsOfJson,
      apply: (set, write) => gateway.apply(set, write),
      put: (ref, set, write) => gateway.put(ref, set, write),
      delete: (ref, write) => gateway.delete(ref, write),
      patch: (ref, patch, write) => gateway.patch(ref, patch, write),
    },
    events: (options.wrapEvents ?? ((events) => events))({
      head: () => log.head(),
      read: (wanted) => log.read(wanted),
      follow: (wanted) => log.follow(wanted),
      outcomeOf: (offset) => projector.outcomeOf(offset),
      settled: (offset, timeoutMs) => {
        const signal = AbortSignal.timeout(timeoutMs);
        return orElse(projector.waitFor(offset, signal), undefined, signal);
      },
    }),
    history: projector,
    state: fold,
    proof: (at) => projector.proof(at),
    graph,
    past: pastPort(projector.past, log),
    replicas: {
      rows: () => [],
      comparison: () => ({ verdict: 'alone' }),
      statement: () => ({ id: 'test', mesh, proofs: [projector.proof()] }),
      ask: async () => ({ answers: [], complete: true }),
      remove: async () => false,
    },
    leases,
    graphChanges: {
      atRest: (look) => projector.atRest(look),
      onGraphChange: (listener) => projector.onGraphChange(listener),
      counters: graphStreams,
    },
    raw: rawPort(fold),
    audit: auditPort(audit),
    scrub: { status: () => scrub.status(), start: () => scrub.start(), heal: () => assert.fail('nothing to replace') },
    snapshots: projector.snapshots,
    proxies: {
      list: async () => ({
        proxies: [...proxies.values()].map(({ proxy }) => proxy),
        complete: options.allAnswered ?? true,
      }),
      savings: async () => ({
        sidecars: proxies.size,
        resources: 0,
        bytes: 0,
        fullResources: 0,
        fullBytes: 0,
        ratio: 0,
        pushedBytes: 0,
        fullPushedBytes: { change: 0, connect: 0 },
      }),
      get: async (id) => proxies.get(id)?.proxy,
      resources: async (id) => proxies.get(id)?.resources ?? [],
      holders: async (services) => ({
        complete: options.allAnswered ?? true,
        holders: [...proxies.values()].flatMap(({ proxy, resources }) => {
          const held = resources.filter(({ name }) => services.some((service) => name.includes(`${service}:`)));
          const ports = [...new Set(held.map(({ name }) => name.slice(name.indexOf('/') + 1)))].sort();
          const refused = held.filter(({ state }) => state === 'refused').length;
          return held.length === 0
            ? []
            : [{ id: proxy.id, service: proxy.service, ports, resources: held.length, refused, pending: 0 }];
        }),
      }),
    },
    deliveries: ledger,
    health: {
      parts: () => options.health ?? [{ name: 'log', status: 'ok' }],
      ready: () => ({ ready: true, offset: fold.offset, reasons: [] }),
    },
    metrics: {
      collect: () => [
        { name: 'tendril_events_total', help: 'Events.', type: 'counter', samples: [{ value: log.counters.events }] },
      ],
    },
    ...options.ports,
  };
  const server = createAdminServer(ports, { logger, version: '0.0.0', graceMs: 1_000, ...options.admin });
  const { port } = await server.listen('127.0.0.1', 0);
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await server.close();
    await learned.close();
    scrub.close();
    await audit.close();
    await projector.close();
    await ledger.close();
    await log.close();
  };
  t.after(async () => {
    await close();
    if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
  });
  return {
    url: `http://127.0.0.1:${port}`,
    dir,
    server,
    projector,
    ledger,
    log,
    ingest,
    documents: gateway,
    learned,
    logger,
    proxies,
    graphStreams,
    close,
  };
};

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  readonly body: any;
}

/** One request; JSON answers are parsed. */
export const call = async (
  core: Pick<Core, 'url'>,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply> => {
  const isText = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(`${core.url}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: isText ? (body as string) : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /\/(?:[a-z.-]+\+)?json/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
};

export const YAML = { 'content-type': 'application/yaml' };
export const NDJSON = { 'content-type': 'application/x-ndjson' };
export const PATCH = { 'content-type': 'application/json-patch+json' };

export const service = (name: string, extra: object = {}) => ({
  type: 'service.registered',
  data: { namespace: 'shop', name, ports: [{ port: 8080, protocol: 'http' }], ...extra },
});

export const endpoint = (serviceName: string, id: string, extra: object = {}) => ({
  type: 'endpoint.registered',
  data: { namespace: 'shop', service: serviceName, id, address: '10.0.0.1', ...extra },
});

export const routeDocument = (name: string, spec: object, extra: object = {}) => ({
  apiVersion: 'tendril.dev/v1',
  kind: 'Route',
  metadata: { name, namespace: 'shop', ...extra },
  spec,
});
