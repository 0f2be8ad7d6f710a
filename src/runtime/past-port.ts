/** Earlier states as the HTTP API asks for them. */
import type { PastPort } from '../admin/index.ts';
import type { EventLog } from '../log/index.ts';
import type { Projector } from '../projector/index.ts';
import { entitledAt } from './entitled.ts';
import { rawPort } from './raw-port.ts';

export const pastPort = (past: Projector['past'], log: Pick<EventLog, 'offsetAt'>): PastPort => ({
  graphAt: (at) => past.graphAt(at),
  stateAt: async (at) => {
    const state = await past.stateAt(at);
    return {
      offset: state.offset,
      recordedAt: state.recordedAt,
      counts: () => state.counts(),
      read: (look) => state.read((then) => look({ ...then, raws: rawPort(then) })),
    };
  },
  diff: (query) => past.diff(query),
  entitledAt: (offset, node) => entitledAt(past, offset, node),
  offsetAt: (time) => log.offsetAt(time),
});
