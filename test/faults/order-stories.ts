/** Events of several sources that know nothing of each other, and ways in which a log may come to hold them. */
import type { LogRecord } from '../../src/log/index.ts';
import { decodeRecord, encodeEvent, writeRecord } from '../../src/log/record-codec.ts';
import type { EventEnvelope } from '../../src/model/index.ts';
import type { FoldRun } from '../../src/projector/fold-run.ts';
import { allEndpoints, createDeriver, createRun, NOTHING_STORED } from '../../src/projector/parts.ts';
import { inSlices } from '../../src/projector/turns.ts';
import { endpoint, event, MESH, observed, policy, registered, route } from '../projector/mesh-events.ts';
import type { FaultRun } from './fault-run.ts';

/** What is appended as one: a single event, or a batch. */
export type Append = readonly EventEnvelope[];
/** Appends of one source, in its order. */
export type Story = readonly Append[];

const SERVICES = 12;
const serviceOf = (n: number): string => `svc-${n % SERVICES}`;

const named = (source: string, n: number, made: EventEnvelope): EventEnvelope => ({
  ...made,
  id: `${source}-${n}`,
  source,
});

/** As the gateway marks a request of several events. */
const batch = (id: string, events: readonly EventEnvelope[]): Append =>
  events.map((one, index) => ({ ...one, batch: { id, index, size: events.length } }));

/**
 * A registry for services and documents, several for endpoints (each with ids of its own), and sidecars: sources whose events are of
 * different entities, or of different facets of one, so that the order between sources must not matter.
 */
export const stories = (run: FaultRun, length: number): Story[] => {
  const operator: Append[] = Array.from({ length: SERVICES }, (_, n) => [
    named('operator', n, registered(serviceOf(n))),
  ]);
  for (let n = SERVICES; n < length; n++) {
    const service = serviceOf(run.between(0, SERVICES - 1));
    const made = [
      () => registered(service, { labels: { n: String(n) } }),
      () => route(service, { timeout: `${run.between(1, 60)}s` }),
      () => policy('Dependency', service, { to: { [`${serviceOf(run.between(0, SERVICES - 1))}.shop`]: {} } }),
    ][run.between(0, 2)]?.();
    if (made !== undefined) operator.push([named('operator', n, made)]);
  }
  const registries = ['east', 'west', 'north'].map((source): Story => {
    const appends: Append[] = [];
    for (let n = 0; n < length; ) {
      const events = Array.from({ length: run.between(1, 4) }, () => {
        const service = serviceOf(run.between(0, SERVICES - 1));
        const id = `${source}-${service}-${run.between(0, 5)}`;
        const made =
          run.random() < 0.7
            ? endpoint(service, id, { address: `10.0.${run.between(0, 250)}.${run.between(1, 250)}` })
            : event('endpoint.deregistered', { namespace: 'shop', service, id });
        return named(source, n++, made);
      });
      appends.push(events.length === 1 ? events : batch(`${source}-${n}`, events));
    }
    return appends;
  });
  const sidecars = ['sidecar:a', 'sidecar:b'].map(
    (source, at): Story =>
      Array.from({ length }, (_, n) => [
        named(
          source,
          n,
          observed(`${serviceOf(at)}.shop`, `${serviceOf(run.between(0, SERVICES - 1))}.shop:80`, source),
        ),
      ]),
  );
  return [operator, ...registries, ...sidecars];
};

/** One source after the other. */
export const inTurn = (all: readonly Story[]): Append[] => all.flat();

/** At random, but each source in its own order: what concurrent writers of one log make. */
export const interleaved = (all: readonly Story[], run: FaultRun): Append[] => {
  const left = all.map((story) => [...story]);
  const appends: Append[] = [];
  for (;;) {
    const going = left.filter((story) => story.length > 0);
    const next = going[run.between(0, going.length - 1)]?.shift();
    if (next === undefined) return appends;
    appends.push(next);
  }
};

/** Every so many appends come again at some later place, whole, as from a client that heard no answer. */
export const withDuplicates = (appends: readonly Append[], share: number, run: FaultRun): Append[] => {
  const due = new Map<number, Append[]>();
  for (const [at, append] of appends.entries())
    if (run.random() < share) {
      const later = run.between(at, appends.length - 1);
      due.set(later, [...(due.get(later) ?? []), append]);
    }
  return appends.flatMap((append, at) => [append, ...(due.get(at) ?? [])]);
};

/** The log that such appends make. */
export const logOf = (appends: readonly Append[]): LogRecord[] =>
  appends.flat().map((one, index) => {
    const encoded = encodeEvent(one, MESH);
    const bytes = Buffer.alloc(encoded.bytes);
    writeRecord(bytes, encoded, 1_700_000_000_000 + index);
    return decodeRecord(index + 1, bytes);
  });

export interface Folded {
  readonly run: FoldRun;
  /** Status of each event, in order of offset, and its code. */
  readonly outcomes: readonly string[];
}

export const fold = (log: readonly LogRecord[]): Folded => {
  const run = createRun({ mesh: MESH });
  const outcomes = log.flatMap((record) => run.apply(record)).sort((a, b) => a.offset - b.offset);
  return { run, outcomes: outcomes.map(({ status, code }) => (code === undefined ? status : `${status} ${code}`)) };
};

/** All that sidecars could be given, as text: names and versions (hashes of the bytes) of resources, callers, hosts. */
export const servedBy = async ({ run }: Folded): Promise<readonly string[]> => {
  run.stateHash();
  const deriver = createDeriver(run.fold, NOTHING_STORED, undefined);
  deriver.loaded();
  const derived = await inSlices(deriver.deriveAll(allEndpoints(run), NOTHING_STORED), 64);
  return [
    ...[...derived.resources].map(([key, resource]) => `resource ${key} ${resource?.version}`),
    ...[...derived.services].map(([key, bytes]) => `service ${key} ${Buffer.from(bytes ?? []).toString()}`),
    ...[...derived.callers].map(([key, bytes]) => `caller ${key} ${Buffer.from(bytes ?? []).toString()}`),
    ...[...derived.hosts].map(([host, owner]) => `host ${host} ${owner}`),
  ].sort();
};
