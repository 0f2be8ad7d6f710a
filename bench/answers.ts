/**
 * How long answers take in a large mesh (issue 5, section 3): 20,000 services with five ports (300,000 resources of clusters, endpoints and
 * virtual hosts), 300,000 learned edges, a log of 1 M events: learned one by one, renewed in lists, and changes of health for the rest.
 * The real server in a process of its own, asked over HTTP, one question at a time; a sidecar holds what its service calls. Answers are
 * about services of the middle, and about the one that most call.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEventLog } from '../src/log/index.ts';
import type { EventEnvelope } from '../src/model/index.ts';
import { Projector } from '../src/projector/index.ts';
import { connectSidecar } from '../src/sidecar-client/index.ts';
import { serveInChild } from '../test/e2e/serve.ts';
import {
  changeEvents,
  endpoint,
  event,
  MESH,
  observed,
  randomFrom,
  registered,
  route,
  serviceAt,
} from '../test/projector/mesh-events.ts';
import { type Spread, spreadOf } from './spread.ts';

export interface AnswersOptions {
  readonly services?: number;
  readonly edges?: number;
  readonly events?: number;
  /** Questions of each kind. */
  readonly rounds?: number;
}

const PORTS = [80, 81, 82, 83, 84];
const BATCH = 1_000;
const MOST_UNAPPLIED = 16_000;
const RENEWED_TOGETHER = 500;
const RENEWALS = 3;
/** Endpoints of the service that answers about a large one are asked of. */
const LARGE = 100;
/** Documents: one Route for so many services. */
const ROUTE_EVERY = 10;
const DIFF_EVENTS = 1_000;
/** Share of the callers that call the most popular service. */
const POPULAR = 0.1;

const nameAt = (index: number): string => `${serviceAt(index)}.shop`;

/** Each caller calls `degree` others; a tenth of them the first service. */
function* edgesOf(
  services: number,
  edges: number,
  random: () => number,
): Generator<readonly [from: string, to: string]> {
  const degree = Math.max(1, Math.round(edges / services));
  for (let call = 0; call < degree; call++)
    for (let caller = 0; caller < services; caller++) {
      const isPopular = call === 0 && random() < POPULAR;
      const callee = isPopular ? 0 : Math.floor(random() * services);
      yield [nameAt(caller), `${nameAt(callee)}:${PORTS[Math.floor(random() * PORTS.length)]}`];
    }
}

function* events(options: Required<AnswersOptions>): Generator<EventEnvelope> {
  const { services, edges, events: total } = options;
  const random = randomFrom(5);
  let count = 0;
  for (let index = 0; index < services; index++) {
    yield registered(serviceAt(index), { ports: PORTS.map((port) => ({ port, protocol: 'http' as const })) });
    yield endpoint(serviceAt(index), `${serviceAt(index)}-0`);
    count += 2;
    if (index % ROUTE_EVERY !== 0) continue;
    yield route(serviceAt(index), { timeout: `${1 + (index % 9)}s` });
    count++;
  }
  for (let number = 1; number < LARGE; number++, count++) yield endpoint(serviceAt(3), `${serviceAt(3)}-${number}`);
  const all = [...edgesOf(services, edges, random)];
  for (const [from, to] of all) yield observed(from, to, `${from}-1`);
  count += all.length;
  const sorted = all.map(([from, to]) => ({ from, to })).sort((a, b) => (a.from < b.from ? -1 : 1));
  for (let round = 0; round < RENEWALS; round++)
    for (let at = 0; at < sorted.length; at += RENEWED_TOGETHER, count++)
      yield event('dependency.renewed', { edges: sorted.slice(at, at + RENEWED_TOGETHER) });
  const next = changeEvents({ services, endpoints: 1 }, random);
  for (; count < total; count++) {
    const other = count % 50;
    // Some of all changes are of what is asked: a document, and a service with many endpoints.
    if (other === 0) yield route(serviceAt(ROUTE_EVERY), { timeout: `${1 + (count % 50_000)}ms` });
    else if (other === 1) {
      const health = count % 4 === 1 ? 'healthy' : 'unhealthy';
      const id = `${serviceAt(3)}-${Math.floor(random() * LARGE)}`;
      yield event('endpoint.health-changed', { namespace: 'shop', service: serviceAt(3), id, health });
    } else yield next();
  }
}

const prepare = async (dir: string, options: Required<AnswersOptions>): Promise<number> => {
  const clock = { now: Date.now };
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock });
  const projector = await Projector.open({ dir, log, mesh: MESH, clock });
  let batch: EventEnvelope[] = [];
  const flush = async (): Promise<void> => {
    await log.append(batch);
    batch = [];
    while (projector.lag().events > MOST_UNAPPLIED) await new Promise((done) => setTimeout(done, 1));
  };
  for (const one of events(options)) {
    batch.push(one);
    if (batch.length === BATCH) await flush();
  }
  await flush();
  const { offset } = log.head();
  await projector.waitFor(offset);
  await projector.close();
  await log.close();
  return offset;
};

export const run = async (
  given: AnswersOptions = {},
): Promise<{
  readonly services: number;
  readonly resources: number;
  readonly edges: number;
  readonly events: number;
  readonly answers: Readonly<Record<string, Spread>>;
}> => {
  const services = given.services ?? 20_000;
  const options = {
    services,
    edges: given.edges ?? 15 * services,
    events: given.events ?? 1_000_000,
    rounds: given.rounds ?? 20,
  };
  const dir = mkdtempSync(join(tmpdir(), 'tendril-bench-'));
  try {
    const head = await prepare(dir, options);
    const server = await serveInChild({
      data: dir,
      admin: '127.0.0.1:0',
      xds: '127.0.0.1:0',
      workers: '1',
      'log-level': 'error',
    });
    const api = `http://127.0.0.1:${server.admin.port}`;
    const caller = nameAt(1);
    const sidecar = connectSidecar({
      addresses: [server.xds],
      node: { id: 'sidecar-1', cluster: caller, metadata: { service: serviceAt(1), namespace: 'shop' } },
    });
    try {
      await sidecar.start();
      const held = `${nameAt(2)}:80`;
      await sidecar.hold(held);
      const times = new Map<string, number[]>();
      const ask = async (kind: string, path: string): Promise<void> => {
        const begun = performance.now();
        const response = await fetch(`${api}${path}`);
        const text = await response.text();
        if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text.slice(0, 200)}`);
        times.set(kind, [...(times.get(kind) ?? []), performance.now() - begun]);
      };
      const random = randomFrom(9);
      const any = (): string => nameAt(1 + Math.floor(random() * (services - 1)));
      const past = (): number => Math.floor(head * (0.3 + 0.7 * random()));
      const popular = nameAt(0);
      const path = (service: string): string => `/v1/services/shop/${service.split('.')[0]}`;
      for (let round = 0; round < options.rounds; round++) {
        await ask('graphFocus', `/v1/graph?focus=${any()}`);
        await ask('graphFocusDepth2', `/v1/graph?focus=${any()}&depth=2`);
        await ask('graphPopular', `/v1/graph?focus=${popular}`);
        await ask('graphPage', '/v1/graph?limit=1000');
        await ask('graphFocusPast', `/v1/graph?focus=${any()}&at=${past()}`);
        await ask('diffFocus', `/v1/graph/diff?focus=${any()}&from=${past()}`);
        await ask('auditFocus', `/v1/graph/audit?focus=${any()}`);
        await ask('who', `${path(any())}/dependents`);
        await ask('whoHolds', `${path(nameAt(2))}/holders`);
        await ask('whoPopular', `${path(popular)}/dependents?limit=1000`);
        await ask('why', `/v1/proxies/sidecar-1/why?type=cds&name=${held}`);
        await ask('savings', '/v1/proxies?savings=1');
        const at = past();
        await ask('documentPast', `/v1/docs/Route/shop/${serviceAt(ROUTE_EVERY)}?at=${at}`);
        await ask('documentsPast', `/v1/docs?limit=100&at=${past()}`);
        await ask('servicesPast', `/v1/services?limit=100&at=${past()}`);
        await ask('serviceOf100Past', `/v1/services/shop/${serviceAt(3)}?at=${past()}`);
        await ask('effectivePast', `/v1/services/shop/${serviceAt(ROUTE_EVERY)}/effective?at=${past()}`);
        await ask('entitledPast', `/v1/proxies/sidecar-1/resources?at=${past()}`);
        await ask('countsPast', `/v1/state?at=${past()}`);
        await ask('stateDiff1000', `/v1/state/diff?from=${at - DIFF_EVENTS}&to=${at}&limit=1000`);
        await ask('history', `/v1/docs/Route/shop/${serviceAt(ROUTE_EVERY)}/history?change=1&limit=20`);
        if (round < 3) await ask('graphPopularPast', `/v1/graph?focus=${popular}&at=${past()}`);
      }
      return {
        services,
        resources: 3 * PORTS.length * services,
        edges: options.edges,
        events: head,
        answers: Object.fromEntries([...times].map(([kind, list]) => [kind, spreadOf(list)])),
      };
    } finally {
      await sidecar.close();
      await server.stop();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};
