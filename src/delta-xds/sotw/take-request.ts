/** Takes one request of a state-of-the-world stream: verdict on a response, names. Writes facts down; `deliver.ts` answers. */
import type { StateRequest } from '../../proto/index.ts';
import { refuse, withinBounds } from '../bounds.ts';
import type { Effect, Item } from '../effect.ts';
import { countNack } from '../limits.ts';
import { refusedNow } from '../parked.ts';
import type { ResourceBody } from '../resource-source.ts';
import { typeOf } from '../resource-type.ts';
import { GONE } from '../shapes.ts';
import { STATUS } from '../status.ts';
import type { SotwState } from './sotw-state.ts';
import type { StateChannel, Unanswered } from './state-channel.ts';
import { pureWildcard } from './state-version.ts';

export const takeStateRequest = (s: SotwState, request: StateRequest, out: Effect[]): void => {
  if (request.typeUrl === '') {
    refuse(s, STATUS.INVALID_ARGUMENT, 'a request on an aggregated stream needs a type_url', out);
    return;
  }
  const type = typeOf(request.typeUrl);
  if (type === 'vhds') {
    refuse(s, STATUS.INVALID_ARGUMENT, 'virtual hosts are served over delta streams only (VHDS)', out);
    return;
  }
  const { names } = request;
  const already = s.channels.get(type)?.subscription.asked.size ?? 0;
  if (!withinBounds(s, type, names, { request: names.length, stream: s.asked - already + names.length }, out)) return;
  const channel = s.ensure(type);
  if (request.responseNonce !== '' && channel.nonce !== '') {
    settle(s, channel, request, out);
    // Checklist 32: the client will say it again in its answer to what is on its way.
    if (request.responseNonce !== channel.nonce) {
      s.counters.staleRequests++;
      if (request.names.length > 0) channel.subscription.named();
      // It may have given names up that it lists again in that answer: then it waits for them (checklist 48).
      const listed = new Set(request.names);
      for (const name of channel.subscription.asked) if (!listed.has(name)) channel.doubtful.add(name);
      return;
    }
  }
  const change = channel.subscription.replace(request.names, channel.full);
  for (const name of change.dropped.keys()) channel.forget(name);
  if (change.wildcardEnded)
    for (const name of [...channel.held.keys()]) if (!channel.subscription.has(name)) channel.forget(name);
  for (const asked of change.asked) {
    const name = s.shapes.text(asked);
    channel.now.add(name);
    // The first request of a stream that names a version: the client has had it before.
    s.observe(type, name, out, change.first && request.versionInfo !== '');
  }
  for (const name of channel.doubtful.all) if (channel.subscription.has(name)) channel.now.add(name);
  channel.doubtful.clear();
  if (change.asked.size > 0 || change.dropped.size > 0 || change.first) s.interestStale = true;
  if (change.wildcardBegan && !(change.first && isCurrent(s, channel, request))) channel.owed = true;
};

/** Checklist 51: a pure wildcard that the client holds already, by its own word. */
const isCurrent = (s: SotwState, channel: StateChannel, { versionInfo }: StateRequest): boolean => {
  if (versionInfo === '' || s.view.label(channel.type) !== undefined) return false;
  const current = pureWildcard(s, channel);
  if (current?.versionInfo !== versionInfo) return false;
  for (const [name, body] of current.items) channel.held.set(name, { sent: body, good: body });
  return true;
};

const itemsOf = (s: SotwState, items: Iterable<readonly [string, ResourceBody]>): Item[] =>
  [...items].map(([name, body], atom) => ({ name, version: body.version, shape: s.shapes.of(body), atom }));

const settle = (s: SotwState, channel: StateChannel, request: StateRequest, out: Effect[]): void => {
  const settled = channel.settle(request.responseNonce);
  if (settled === undefined) return;
  const { response, later } = settled;
  const { type } = channel;
  const { nonce, items, changed } = response;
  if (request.errorDetail === undefined) {
    if (refusedNow(s, type, channel.parked).size === 0) channel.lastError = undefined;
    channel.accept(response);
    const gone = response.gone.map((name, at): Item => ({ name, version: '', shape: GONE, atom: items.size + at }));
    out.push({ kind: 'acked', type, nonce, items: [...itemsOf(s, items), ...gone] });
    return;
  }
  const { code, message } = request.errorDetail;
  countNack(s.counters, type);
  channel.lastError = { code, message };
  channel.reject(response, later);
  const suspects = changed.flatMap((name) => {
    const body = items.get(name);
    return body === undefined ? [] : [[name, body] as const];
  });
  const final = suspects.length <= 1;
  out.push({ kind: 'rejected', type, nonce, items: itemsOf(s, suspects), code, message, final });
  if (final) park(s, channel, suspects);
  else halve(channel, response);
};

const park = (s: SotwState, channel: StateChannel, suspects: readonly (readonly [string, ResourceBody])[]): void => {
  for (const [name, { version }] of suspects) {
    channel.parked.add(name, version);
    s.counters.parked++;
  }
  if (channel.trials.length > 0) channel.stale = true;
};

const halve = (channel: StateChannel, { changed }: Unanswered): void => {
  const middle = changed.length >> 1;
  channel.trials.unshift(new Set(changed.slice(0, middle)), new Set(changed.slice(middle)));
  channel.stale = true;
};
