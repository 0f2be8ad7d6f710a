/** Clusters, each followed by its assignment (envoy-wire, fact 6); and assignments by themselves. */
import { isCollection } from '../model/index.ts';
import type { Channel } from './channel.ts';
import type { Effect, Item, SentResource } from './effect.ts';
import type { ResourceBody } from './resource-source.ts';
import type { SessionState } from './session-state.ts';
import type { Alone } from './shapes.ts';
import { RESOURCE_OVERHEAD, split, type Work } from './work.ts';

const NONE: readonly never[] = [];

interface Unit {
  readonly name: string;
  readonly resource: SentResource;
  readonly item: Item;
  readonly alone: Alone;
  readonly size: number;
}

interface ClusterUnit extends Unit {
  readonly assignment: Unit | undefined;
}

const unitOf = (s: SessionState, name: string, body: ResourceBody, atom: number): Unit => {
  const alone = s.shapes.alone(name, body);
  const [item] = alone.items;
  const [resource] = alone.resources;
  return {
    name: resource.name,
    resource,
    item: atom === 0 ? item : { ...item, atom },
    alone,
    size: body.body.length + name.length + RESOURCE_OVERHEAD,
  };
};

const resourceOf = ({ resource }: Unit): SentResource => resource;
const itemOf = ({ item }: Unit): Item => item;

/** What a cluster's name should be at the client; undefined: nothing to send (it may have to go: `collect.ts` looks). */
const clusterGoal = (
  s: SessionState,
  channel: Channel,
  name: string,
  force: boolean,
  needed: boolean,
): ResourceBody | undefined => {
  const body = s.body('cds', name);
  const held = channel.ledger.versionOf(name);
  const wanted = (): boolean =>
    needed || channel.subscription.has(name) || (channel.subscription.wildcard && s.needs(name));
  if (body !== undefined) {
    if (held === undefined && !force && !wanted()) return undefined;
    if (!channel.ledger.parked.has(name, body.version)) return body;
    // Refused, and no good one before it: calls shall fail at once, not after the on-demand time-out.
    return held === undefined || force ? s.placeholder('cds', name) : undefined;
  }
  if (held !== undefined && !force) {
    s.sweep.some([name]);
    return undefined;
  }
  return wanted() && !isCollection(name) ? s.placeholder('cds', name) : undefined;
};

/**
 * Sends the clusters of this round and those that its virtual hosts need (`extra`; of a broadcast only those the client does not
 * hold, changed ones wait at the gate), with the assignments that these lack. False: paused.
 */
export const sendClusters = (
  s: SessionState,
  work: Work,
  extra: ReadonlySet<string>,
  now: number,
  out: Effect[],
): boolean => {
  const channel = s.channel('cds');
  if (channel === undefined) return true;
  const names = work.names('cds');
  const answering = work.lane === 'answer';
  if (names.length === 0 && extra.size === 0 && !(answering && (channel.owed || channel.absent.size > 0))) return true;
  const units: ClusterUnit[] = [];
  const sent = new Set<string>();
  const consider = (name: string, force: boolean, needed: boolean): void => {
    const body = clusterGoal(s, channel, name, force, needed);
    if (
      body === undefined ||
      channel.ledger.parked.has(name, body.version) ||
      (!force && channel.ledger.versionOf(name) === body.version)
    ) {
      channel.settled(name);
      return;
    }
    const unit = unitOf(s, name, body, units.length);
    const assignment = body.eds === undefined ? undefined : assignmentUnit(s, body.eds, units.length);
    units.push({ ...unit, assignment, size: unit.size + (assignment?.size ?? 0) });
    sent.add(name);
  };
  for (const name of names) consider(name, work.forced('cds', name), extra.has(name));
  if (channel.subscription.wildcard && extra.size > 0) {
    const seen = new Set(names);
    for (const name of extra)
      if (!seen.has(name) && (work.lane !== 'broadcast' || channel.ledger.versionOf(name) === undefined))
        consider(name, false, true);
  }
  const absent = answering ? [...channel.absent.all] : [];
  if (answering) channel.absent.clear();
  const runs: ClusterUnit[][] = split(units, s.limits.responseBytes);
  if (runs.length === 0 && (absent.length > 0 || (answering && channel.owed))) runs.push([]);
  for (const [at, run] of runs.entries()) {
    s.send(
      {
        type: 'cds',
        lane: work.lane,
        resources: run.map(resourceOf),
        removed: at === 0 ? absent : [],
        items: run.map(itemOf),
        questions: [],
      },
      now,
      out,
    );
    for (const { name, assignment } of run) {
      channel.settled(name);
      s.take(name);
      // In an answer it was told when it was asked for.
      const late = work.lane !== 'answer' && channel.subscription.has(name);
      const servicePort = late ? s.view.servicePortOf(name) : undefined;
      if (servicePort !== undefined && s.view.get('cds', name) !== undefined) s.observe(servicePort);
      // A cluster that is not of type EDS (any more) has no assignment at the client.
      if (assignment === undefined) s.channels.get('eds')?.ledger.forget(name);
    }
    sendAssignmentUnits(
      s,
      work,
      run.flatMap(({ assignment }) => assignment ?? []),
      now,
      out,
    );
    if (!s.goOn(out)) return false;
  }
  return sendLacking(
    s,
    channel,
    work,
    [...extra].filter((name) => !sent.has(name)),
    now,
    out,
  );
};

/**
 * Assignments of clusters that the client has and the virtual hosts of this round use: a stream may have been cut between the two, and on
 * the next one EDS comes after VHDS (envoy-wire, section F). What it has of them is not known before. False: paused.
 */
const sendLacking = (
  s: SessionState,
  clusters: Channel,
  work: Work,
  names: readonly string[],
  now: number,
  out: Effect[],
): boolean => {
  const units: Unit[] = [];
  for (const name of names) {
    const body = clusters.ledger.versionOf(name) === undefined ? undefined : s.body('cds', name);
    if (body?.eds === undefined || s.channels.get('eds')?.ledger.versionOf(body.eds) !== undefined) continue;
    const unit = assignmentUnit(s, body.eds, units.length);
    if (unit !== undefined) units.push(unit);
  }
  for (const run of split(units, s.limits.responseBytes)) {
    sendAssignmentUnits(s, work, run, now, out);
    if (!s.goOn(out)) return false;
  }
  return true;
};

/** The assignment that must follow a cluster; undefined when the client has refused exactly this one. */
const assignmentUnit = (s: SessionState, name: string, atom: number): Unit | undefined => {
  const body = s.body('eds', name) ?? s.placeholder('eds', name);
  return s.channels.get('eds')?.ledger.parked.has(name, body.version) ? undefined : unitOf(s, name, body, atom);
};

/** Directly after their clusters, or before a virtual host: past every gate, and not counted by it. */
const sendAssignmentUnits = (s: SessionState, work: Work, units: readonly Unit[], now: number, out: Effect[]): void => {
  // On a stream of one type clusters come alone: their assignments are asked for on another.
  if (units.length === 0 || s.only !== undefined) return;
  const channel = s.ensure('eds');
  s.send(
    {
      type: 'eds',
      lane: work.lane === 'broadcast' ? 'answer' : work.lane,
      resources: units.map(resourceOf),
      removed: [],
      items: units.map(itemOf),
      questions: [],
    },
    now,
    out,
  );
  for (const { name } of units) {
    channel.settled(name);
    s.take(name);
  }
};

/** Assignments by themselves: endpoints that changed, names asked for (`local`, or a cluster's). False: paused. */
export const sendAssignments = (s: SessionState, work: Work, now: number, out: Effect[]): boolean => {
  const channel = s.channels.get('eds');
  if (channel === undefined) return true;
  const names = work.names('eds');
  if (names.length === 0 && (work.lane !== 'answer' || (channel.absent.size === 0 && !channel.owed))) return true;
  const units: Unit[] = [];
  for (const name of names) {
    const force = work.forced('eds', name);
    const body = assignmentGoal(s, channel, name, force);
    if (
      body === undefined ||
      channel.ledger.parked.has(name, body.version) ||
      (!force && channel.ledger.versionOf(name) === body.version)
    )
      channel.settled(name);
    else units.push(unitOf(s, name, body, units.length));
  }
  const absent = work.lane === 'answer' ? [...channel.absent.all] : [];
  if (absent.length > 0) channel.absent.clear();
  const runs = split(units, s.limits.responseBytes);
  if (runs.length === 0 && (absent.length > 0 || (work.lane === 'answer' && channel.owed))) runs.push([]);
  for (const [at, run] of runs.entries()) {
    const alone = run.length === 1 && absent.length === 0 ? run[0]?.alone : undefined;
    s.send(
      {
        type: 'eds',
        lane: work.lane,
        resources: alone?.resources ?? run.map(resourceOf),
        removed: at === 0 ? absent : NONE,
        items: alone?.items ?? run.map(itemOf),
        questions: NONE,
        alone: alone !== undefined,
      },
      now,
      out,
    );
    for (const { name } of run) {
      channel.settled(name);
      s.take(name);
    }
    if (!s.goOn(out)) return false;
  }
  return true;
};

const assignmentGoal = (s: SessionState, channel: Channel, name: string, force: boolean): ResourceBody | undefined => {
  if (channel.ledger.versionOf(name) === undefined && !channel.subscription.has(name)) return undefined;
  const body = s.body('eds', name);
  if (body !== undefined) return body;
  const cluster = s.channels.get('cds')?.ledger.versionOf(name);
  // Its cluster is gone too: both stay as they are until no virtual host uses them (collect.ts).
  if (cluster !== undefined && !force && s.body('cds', name) === undefined) return undefined;
  return isCollection(name) ? undefined : s.placeholder('eds', name);
};
