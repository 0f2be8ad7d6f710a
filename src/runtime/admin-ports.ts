/** Joins the parts of the core to the ports of the HTTP API. */
import type { AdminPorts, HealthPart } from '../admin/index.ts';
import { documentsOfJson, documentsOfText } from '../ingest/index.ts';
import { TendrilError } from '../model/index.ts';
import type { PolicyEntity, Projector } from '../projector/index.ts';
import { auditHealth, auditPort } from './auditing.ts';
import type { CoreParts } from './core-parts.ts';
import { settled } from './fold-port.ts';
import { graphInUse } from './graph-in-use.ts';
import { leaseHealth } from './leases/index.ts';
import { logHealth, logNotReady } from './log-health.ts';
import { collectMetrics } from './metrics.ts';
import { pastPort } from './past-port.ts';
import { rawPort } from './raw-port.ts';
import { replicaPart } from './replica-health.ts';
import { divergedError } from './replicas/index.ts';

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
  const { projector, log, guard, dir, registry, config, damage } = parts;
  const condition = projector.condition();
  const lag = projector.lag();
  const disk = guard.condition();
  // Of the state, not of this process: a restart settles nothing.
  const quarantined = projector.queries.quarantineCount();
  const workers = registry.live.length;
  const expected = Math.max(1, config.workers);
  const status = dir?.status();
  const list: HealthPart[] = [
    ...(damage.isLogDamaged && log.failure === undefined ? [] : [logHealth(log)]),
    ...damage.health(),
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
  const replicas = replicaPart(parts);
  if (replicas !== undefined) list.push(replicas);
  list.push(auditHealth(parts.audit), scrubHealth(parts), leaseHealth(parts.leases));
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

const scrubHealth = ({ scrub }: CoreParts): HealthPart => {
  const { count, first } = scrub.findings();
  if (first === undefined) return { name: 'scrub', status: 'ok' };
  const { part, code, where, message, remedy } = first;
  const more = count > 1 ? ` (and ${count - 1} more)` : '';
  return { name: 'scrub', status: 'degraded', code, message: `${part} ${where}: ${message}${more}`, remedy };
};

const heal = ({ damage, heal: replace }: CoreParts): void => {
  if (!damage.isStateDamaged || damage.isLogDamaged || replace === undefined)
    throw new TendrilError(
      'NOTHING_TO_HEAL',
      damage.isLogDamaged
        ? 'the log is damaged: a state that was made from it would be wrong or incomplete'
        : 'no damage of the state is known, or this process cannot be replaced',
      { remedy: damage.isLogDamaged ? '`tendril verify --data DIR`' : 'POST /v1/scrub looks for damage' },
    );
  replace();
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
    replicas: parts.replicas,
    leases: parts.leases,
    audit: auditPort(parts.audit),
    scrub: { status: () => parts.scrub.status(), start: () => parts.scrub.start(), heal: () => heal(parts) },
    deliveries: parts.ledger,
    health: {
      parts: () => healthParts(parts),
      ready: () => {
        const reasons = [
          ...(parts.out() === undefined ? [] : [`taken out of service: ${parts.out()}`]),
          ...logNotReady(log),
          ...(registry.live.length === 0 ? ['no xDS worker accepts streams yet'] : []),
          ...(projector.condition().state === 'failed' ? ['the projector has stopped'] : []),
          ...(projector.lag().tooFar ? ['the projection is far behind the log'] : []),
        ];
        return { ready: reasons.length === 0, offset: projector.notice.offset, reasons };
      },
    },
    snapshots: {
      open: (options) => {
        const why = parts.out();
        // Its hash would prove the state that is not to be believed.
        return why === undefined ? projector.snapshots.open(options) : Promise.reject(divergedError(why));
      },
    },
    metrics: { collect: () => collectMetrics(parts) },
  };
};
