/** One round of sending: which names, and with which right of way. */

import type { Suspects } from './channel.ts';
import type { Lane } from './ledger.ts';
import type { ResourceType } from './resource-type.ts';
import type { SessionState } from './session-state.ts';

export interface Work {
  readonly lane: Lane;
  /** Names to compare with what the client holds. A copy: sending changes the sets behind it. */
  names(type: ResourceType): readonly string[];
  /** Send even when the client should have it already. */
  forced(type: ResourceType, name: string): boolean;
  readonly questions: readonly string[];
  /** Names were left for a later pass. */
  cut: boolean;
}

const NONE: readonly string[] = [];
const NO_NAMES: ReadonlySet<string> = new Set();

/** The first names of a set, at most `most`. */
const first = (work: Work, names: ReadonlySet<string>, most: number): readonly string[] => {
  if (names.size <= most) return [...names];
  work.cut = true;
  const taken: string[] = [];
  for (const name of names) if (taken.push(name) >= most) break;
  return taken;
};

/** What was asked for. Above `answersInFlight` VHDS answers on their way, questions wait and go together. */
export const answerWork = (s: SessionState, now: number, most = s.portion): Work => {
  const hosts = s.channel('vhds');
  let questions = NO_NAMES;
  if (hosts !== undefined && hosts.questions.size > 0) {
    if (hosts.ledger.answersInFlight(now).count < s.limits.answersInFlight) questions = hosts.questions.all;
    else s.counters.questionsDelayed++;
  }
  const work: Work = {
    lane: 'answer',
    names: (type) => first(work, s.channels.get(type)?.now.all ?? NO_NAMES, most),
    forced: (type, name) => s.channels.get(type)?.forced.has(name) ?? false,
    questions: NONE,
    cut: false,
  };
  return Object.assign(work, { questions: first(work, questions, most) });
};

/** What changed: at most one unacknowledged response per type. */
export const broadcastWork = (s: SessionState, now: number, most = s.portion): Work => {
  const work: Work = {
    lane: 'broadcast',
    names: (type) => {
      const channel = s.channels.get(type);
      if (channel === undefined || channel.dirty.size === 0 || channel.ledger.gateOpensAt(now) > 0) return NONE;
      return first(work, channel.dirty.all, most);
    },
    forced: () => false,
    questions: NONE,
    cut: false,
  };
  return work;
};

/** A part of a rejected response, by itself. */
export const isolateWork = (type: ResourceType, suspects: Suspects): Work => ({
  lane: 'isolate',
  names: (wanted) => (wanted === type ? [...suspects.names] : NONE),
  // A cluster may be waiting for an assignment that did not change.
  forced: (wanted) => wanted === 'eds',
  questions: [...suspects.questions],
  cut: false,
});

/** Cuts units into runs whose sizes stay below `limit`; a unit above it stands alone. */
export const split = <T extends { readonly size: number }>(units: readonly T[], limit: number): T[][] => {
  const runs: T[][] = [];
  let run: T[] = [];
  let size = 0;
  for (const unit of units) {
    if (run.length > 0 && size + unit.size >= limit) {
      runs.push(run);
      run = [];
      size = 0;
    }
    run.push(unit);
    size += unit.size;
  }
  if (run.length > 0) runs.push(run);
  return runs;
};

/** Room for version, tags and lengths of one resource on the wire, bytes. */
export const RESOURCE_OVERHEAD = 160;
