/** Listeners, route configurations, and all types that need no more care: what is wanted goes out, what is not is removed. */

import type { Channel } from './channel.ts';
import { type Effect, type Item, plainResource, type SentResource } from './effect.ts';
import type { ResourceBody } from './resource-source.ts';
import type { ResourceType } from './resource-type.ts';
import type { SessionState } from './session-state.ts';
import { GONE } from './shapes.ts';
import { RESOURCE_OVERHEAD, split, type Work } from './work.ts';

const goalOf = (s: SessionState, channel: Channel, type: ResourceType, name: string): ResourceBody | undefined => {
  const wanted =
    channel.subscription.has(name) ||
    (type === 'rds' && s.demand.generations.get(name)?.announced === true) ||
    (type === 'lds' && channel.subscription.wildcard && s.shapes.setOf(s.view.own('lds')).has(name));
  return wanted ? s.body(type, name) : undefined;
};

/** False: paused. */
export const sendPlain = (s: SessionState, type: ResourceType, work: Work, now: number, out: Effect[]): boolean => {
  const channel = s.channel(type);
  if (channel === undefined) return true;
  // Which route configuration should they name? They stay noted (S13).
  if (type === 'lds' && s.current.waits(now)) return true;
  const names = work.names(type);
  const answering = work.lane === 'answer';
  if (names.length === 0 && !(answering && (channel.owed || channel.absent.size > 0))) return true;
  const { ledger } = channel;
  const units: { readonly resource: SentResource; readonly item: Item; readonly size: number }[] = [];
  const removed: string[] = [];
  const gone: Item[] = [];
  let atom = 0;
  for (const name of names) {
    const force = work.forced(type, name);
    const body = goalOf(s, channel, type, name);
    if (body === undefined) {
      if (ledger.versionOf(name) !== undefined) gone.push({ name, version: '', shape: GONE, atom: atom++ });
      if (ledger.versionOf(name) !== undefined || force) removed.push(name);
      channel.settled(name);
    } else if (ledger.parked.has(name, body.version) || (!force && ledger.versionOf(name) === body.version))
      channel.settled(name);
    else
      units.push({
        resource: plainResource(s.shapes.text(name), body.version, body.body),
        item: { name: s.shapes.text(name), version: body.version, shape: s.shapes.of(body), atom: atom++ },
        size: body.body.length + name.length + RESOURCE_OVERHEAD,
      });
  }
  if (answering) {
    for (const name of channel.absent.all) if (!removed.includes(name)) removed.push(name);
    channel.absent.clear();
  }
  const runs: (typeof units)[] = split(units, s.limits.responseBytes);
  if (runs.length === 0 && (removed.length > 0 || (answering && channel.owed))) runs.push([]);
  for (const [at, run] of runs.entries()) {
    s.send(
      {
        type,
        lane: work.lane,
        resources: run.map(({ resource }) => resource),
        // A listener may take over the address of one that goes: both in one response.
        removed: at === 0 ? removed : [],
        items: [...(at === 0 ? gone : []), ...run.map(({ item }) => item)],
        questions: [],
      },
      now,
      out,
    );
    for (const { item } of run) channel.settled(item.name);
    if (!s.goOn(out)) return false;
  }
  return true;
};
