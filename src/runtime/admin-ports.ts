/** Joins the parts of the core to the ports of the HTTP API. */
import type { AdminPorts, HealthPart } from '../admin/index.ts';
import { documentsOfJson, documentsOfText } from '../ingest/index.ts';
import type { PolicyEntity, Projector } from '../projector/index.ts';
import type { CoreParts } from './core.ts';
import { settled } from './fold-port.ts';
import { graphInUse } from './graph-in-use.ts';
import { collectMetrics } from './metrics.ts';
import { pastPort } from './past-port.ts';
import { rawPort } from './raw-port.ts';

/** Documents that set something in the effective Route or Upstream of a port, ascending. */
export const documentsOfPort = (projector: Projector, service: string, port: number): readonly string[] => {
  const inputs = projector.fold.compileInputs;
  const [route, upstream] = [inputs.route(service, port), inputs.upstream(service, port)];
  return [...new Set([...route.documents, ...upstream.documents])].sort();
};

/** The documents themselves, for who has to know that a sidecar refused what they make. */
export const documentsBehind = (projector: Projector, service: string, port: number): readonly PolicyEntity[] =>
  documentsOfPort(projector, service, port).flatMap((key) => {
    const [kind = '', namespace = '', name = ''] = key.split('/');
    return projector.fold.policy(kind, namespace, name) ?? [];
  });

const healthParts = (parts: CoreParts): readonly HealthPart[] => {
  const { projector, log, guard, dir, registry, config } = parts;
  const condition = projector.condition();
  const lag = projector.lag();
  const disk = guard.condition();
  const quarantined = projector.fold.counters.quarantined;
  const workers = registry.live.length;
  const expected = Math.max(1, config.workers);
  const status = dir?.status();
  const list: HealthPart[] = [
    log.failure === undefined
      ? { name: 'log', status: 'ok', offset: log.head().offset, kind: log.kind }
      : {
          name: 'log',
          status: 'failed',
          code: log.failure.code,
          message: log.failure.message,
          ...(log.failure.remedy === undefined ? {} : { remedy: log.failure.remedy }),
        },
    disk.state === 'ok'
      ? { name: 'disk', status: 'ok', freeBytes: disk.freeBytes, reserveBytes: disk.reserveBytes }
      : {
          name: 'disk',
          status: 'degraded',
          code: 'DISK_FULL',
          message: `${disk.freeBytes} bytes free, ${disk.reserveBytes} must stay free: writes are refused, xDS goes on`,
          remedy: `free space on the disk of ${config.data}; writing resumes by itself`,
        },
    {
      name: 'projector',
      status:
        condition.state === 'live'
          ? lag.tooFar || condition.failedUnits > 0
            ? 'degraded'
            : 'ok'
          : condition.state === 'failed'
            ? 'failed'
            : 'degraded',
      offset: projector.notice.offset,
      epoch: projector.notice.epoch,
      lagEvents: lag.events,
      lagMs: lag.ms,
      ...(condition.code === undefined ? {} : { code: condition.code }),
      ...(condition.message === undefined ? {} : { message: condition.message }),
      ...(condition.failedUnits === 0
        ? {}
        : { message: `${condition.failedUnits} services could not be compiled; their last good resources stay` }),
    },
    {
      name: 'workers',
      status: workers === 0 ? 'failed' : workers < expected ? 'degraded' : 'ok',
      live: workers,
      expected,
      ...(workers < expected
        ? {
            code: 'WORKERS_MISSING',
            message: `${workers} of ${expected} xDS workers are there; the supervisor starts the others again`,
          }
        : {}),
    },
  ];
  if (quarantined > 0)
    list.push({
      name: 'quarantine',
      status: 'degraded',
      code: 'EVENTS_QUARANTINED',
      message: `${quarantined} events could not be folded and have no effect`,
      remedy: 'see GET /v1/events: status quarantined',
    });
  if (status !== undefined)
    list.push({
      name: 'dir',
      status: status.state,
      directory: status.directory,
      files: status.files,
      documents: status.documents,
      ...(status.findings.length === 0
        ? {}
        : {
            code: status.findings[0]?.code ?? 'DIR',
            message: `${status.findings.length} findings in ${status.directory}; what was good before stays`,
            findings: status.findings,
          }),
    });
  if (config.insecureBind)
    list.push({
      name: 'bind',
      status: 'degraded',
      code: 'INSECURE_BIND',
      message: 'started with --insecure-bind: whoever reaches the ports may read and write everything',
      remedy: 'bind to 127.0.0.1',
    });
  return list;
};

export const adminPorts = (parts: CoreParts): AdminPorts => {
  const { projector, log, registry } = parts;
  const { fold, graph } = projector;
  return {
    ingest: parts.ingest,
    documents: {
      ofText: documentsOfText,
      ofJson: documentsOfJson,
      apply: (set, options) => parts.documents.apply(set, options),
      put: (ref, set, options) => parts.documents.put(ref, set, options),
      delete: (ref, options) => parts.documents.delete(ref, options),
      patch: (ref, patch, options) => parts.documents.patch(ref, patch, options),
    },
    events: {
      head: () => log.head(),
      read: (options) => log.read(options),
      follow: (options) => log.follow(options),
      outcomeOf: (offset) => projector.outcomeOf(offset),
      settled: (offset, timeoutMs) => settled(projector, offset, timeoutMs),
    },
    history: { offsetsOf: (subject, upTo) => projector.offsetsOf(subject, upTo) },
    state: fold,
    proof: (at) => projector.proof(at),
    graph: graphInUse(graph, parts.keeping, Date.now),
    past: pastPort(projector.past, log),
    graphChanges: {
      atRest: (look) => projector.atRest(look),
      onGraphChange: (listener) => projector.onGraphChange(listener),
      counters: parts.graphStreams,
    },
    raw: rawPort(fold),
    proxies: parts.proxies,
    deliveries: parts.ledger,
    health: {
      parts: () => healthParts(parts),
      ready: () => {
        const reasons = [
          ...(registry.live.length === 0 ? ['no xDS worker accepts streams yet'] : []),
          ...(projector.condition().state === 'failed' ? ['the projector has stopped'] : []),
          ...(projector.lag().tooFar ? ['the projection is far behind the log'] : []),
        ];
        return { ready: reasons.length === 0, offset: projector.notice.offset, reasons };
      },
    },
    metrics: { collect: () => collectMetrics(parts) },
  };
};
