/**
 * The one decision function of a session: looks at all facts and says what to send, in order: clusters with their assignments,
 * assignments, listeners, route configurations, virtual hosts; superfluous clusters last.
 */
import { collect, listenersAreOnTheirWay } from './collect.ts';
import { endWait } from './current-routes.ts';
import type { Effect } from './effect.ts';
import { renewIfDue } from './renew.ts';
import { sendAssignments, sendClusters } from './send-clusters.ts';
import { planHosts, sendHosts } from './send-hosts.ts';
import { sendPlain } from './send-plain.ts';
import type { SessionState } from './session-state.ts';
import { answerWork, broadcastWork, isolateWork, type Work } from './work.ts';

const NO_CLUSTERS: ReadonlySet<string> = new Set();

/** Types between route configurations and virtual hosts, and behind those (checklist 36); others follow as they were asked for. */
const BEFORE_HOSTS = 'srds';
const AFTER_HOSTS = ['sds', 'ecds', 'rtds'] as const;
const NAMED: ReadonlySet<string> = new Set(['cds', 'eds', 'lds', 'rds', 'vhds', BEFORE_HOSTS, ...AFTER_HOSTS]);

const sendOthers = (s: SessionState, work: Work, now: number, out: Effect[]): boolean => {
  for (const type of AFTER_HOSTS) if (!sendPlain(s, type, work, now, out)) return false;
  for (const type of s.channels.keys()) if (!NAMED.has(type) && !sendPlain(s, type, work, now, out)) return false;
  return true;
};

/** One round; false: paused in the middle, the rest is still noted. */
const round = (s: SessionState, work: Work, now: number, out: Effect[]): boolean => {
  const plan = planHosts(s, work, now);
  return (
    sendClusters(s, work, plan?.clusters ?? NO_CLUSTERS, now, out) &&
    sendAssignments(s, work, now, out) &&
    sendPlain(s, 'lds', work, now, out) &&
    sendPlain(s, 'rds', work, now, out) &&
    sendPlain(s, BEFORE_HOSTS, work, now, out) &&
    sendHosts(s, work, plan, now, out) &&
    sendOthers(s, work, now, out)
  );
};

/** Names that wait, of all types. */
const waitingNames = (s: SessionState): number => {
  let names = 0;
  for (const { now, dirty, questions } of s.channels.values()) names += now.size + dirty.size + questions.size;
  return names;
};

/** A round of a portion of what there is; false: the rest is for a later turn. What cannot be sent yet must not keep that from coming. */
const roundOf = (s: SessionState, make: typeof answerWork, now: number, out: Effect[]): boolean => {
  const before = waitingNames(s);
  const work = make(s, now);
  if (!round(s, work, now, out)) return false;
  if (!work.cut) return true;
  if (waitingNames(s) >= before) return round(s, make(s, now, Number.POSITIVE_INFINITY), now, out);
  s.rest(out);
  return false;
};

/** The next clusters of a wildcard with a long list. */
const unfold = (s: SessionState): void => {
  const clusters = s.channel('cds');
  if (clusters?.subscription.wildcard === true)
    for (const servicePort of s.unfold.slice(0, s.portion)) clusters.now.addAll(s.view.clustersOf(servicePort));
  s.unfold = s.unfold.slice(s.portion);
};

const pass = (s: SessionState, now: number, out: Effect[]): void => {
  if (s.unfold.length > 0) unfold(s);
  let asked = false;
  let changed = false;
  for (const channel of s.channels.values()) {
    asked ||= channel.owed || channel.now.size > 0 || channel.questions.size > 0 || channel.absent.size > 0;
    changed ||= channel.dirty.size > 0;
  }
  if (asked && !roundOf(s, answerWork, now, out)) return;
  if (s.unfold.length > 0) {
    s.rest(out);
    return;
  }
  for (const channel of s.channels.values())
    for (let suspects = channel.suspects[0]; suspects !== undefined; suspects = channel.suspects[0]) {
      if (!round(s, isolateWork(channel.type, suspects), now, out)) return;
      channel.suspects.shift();
    }
  if (changed && !roundOf(s, broadcastWork, now, out)) return;
  if (s.sweep.wanted) collect(s, now, out);
};

/** Sessions with more subjects than this look through all they hold only now and then; until then they hear of more than they must. */
const MANY_SUBJECTS = 4_096;
const STALE_TIMES = 64;

const isLeftForLater = (s: SessionState): boolean =>
  s.interestStale && s.interest.size > MANY_SUBJECTS && ++s.staleTimes < STALE_TIMES;

/** Subjects whose changes this session must hear of. */
const announce = (s: SessionState, out: Effect[]): void => {
  if (isLeftForLater(s)) s.interestStale = false;
  const waiting = s.demand.waiting > 0;
  if (!s.interestStale && s.interestAdded.length === 0 && waiting === s.waitingAnnounced) return;
  let dropped: string[] = [];
  if (s.interestStale) {
    s.interestStale = false;
    s.staleTimes = 0;
    const current = new Set<string>([s.view.facts.caller]);
    for (const name of s.demand.wanted()) current.add(s.shapes.subjectOf(name));
    for (const type of ['cds', 'eds'] as const) {
      const channel = s.channels.get(type);
      if (channel === undefined) continue;
      for (const name of channel.ledger.held.keys()) current.add(s.shapes.subjectOf(name));
      for (const name of channel.subscription.asked) current.add(s.shapes.subjectOf(name));
    }
    for (const name of s.channels.get('vhds')?.ledger.held.keys() ?? [])
      current.add(s.shapes.subjectOf(name.slice(name.indexOf('/') + 1)));
    dropped = [...s.interest].filter((subject) => !current.has(subject));
    for (const subject of dropped) s.interest.delete(subject);
    for (const subject of current)
      if (!s.interest.has(subject)) {
        s.interest.add(subject);
        s.interestAdded.push(subject);
      }
  }
  const added = s.interestAdded.filter((subject) => s.interest.has(subject));
  if (added.length === 0 && dropped.length === 0 && waiting === s.waitingAnnounced) return;
  s.interestAdded = [];
  s.waitingAnnounced = waiting;
  out.push({ kind: 'interest', added, dropped, waiting });
};

/** The earlier of two times that are still to come; 0: none. */
const sooner = (at: number, time: number, now: number): number => (time > now && (at === 0 || time < at) ? time : at);

/** When to look again without being told anything. */
const schedule = (s: SessionState, now: number, out: Effect[]): void => {
  if (s.paused) return;
  const sweeps = s.sweep.wanted && !listenersAreOnTheirWay(s);
  let at = 0;
  for (const { type, dirty, questions, ledger } of s.channels.values()) {
    if (dirty.size > 0 || (type === 'cds' && sweeps)) at = sooner(at, ledger.gateOpensAt(now), now);
    if (questions.size > 0) at = sooner(at, ledger.answersInFlight(now).oldestEnds, now);
  }
  if (sweeps) at = sooner(at, s.collectAfter, now);
  if (s.channel('vhds') !== undefined && s.hostsWait(now)) at = sooner(at, s.hostsAfter, now);
  at = sooner(at, s.current.waitUntil, now);
  at = sooner(at, s.current.lookAt, now);
  if (at === 0 || (s.timerAt !== 0 && s.timerAt <= at)) return;
  s.timerAt = at;
  out.push({ kind: 'timer', at });
};

/** Edges proved by asking. */
const tell = (s: SessionState, out: Effect[]): void => {
  if (s.learned.length + s.learnedHeld.length === 0) return;
  const from = s.view.facts.caller;
  for (const to of s.learned) out.push({ kind: 'observe', from, to });
  for (const to of s.learnedHeld) out.push({ kind: 'observe', from, to, held: true });
  s.learned = [];
  s.learnedHeld = [];
};

export const deliver = (s: SessionState, now: number, out: Effect[]): void => {
  if (s.closed) return;
  s.beginPass();
  tell(s, out);
  endWait(s, now);
  if (!s.paused) {
    renewIfDue(s, now);
    pass(s, now, out);
  }
  tell(s, out);
  announce(s, out);
  schedule(s, now, out);
};
