/** Change notices as a state-of-the-world session takes them. */
import { spellings } from '../../model/index.ts';
import type { ChangeItem } from '../change.ts';
import type { SotwState } from './sotw-state.ts';

/** Writes a change down: marks what must be compared. */
export const noteItem = (s: SotwState, item: ChangeItem): void => {
  switch (item.kind) {
    case 'cds':
    case 'eds':
      s.channels.get(item.kind)?.dirty.add(item.name);
      return;
    case 'vhds': {
      // Route configurations of such clients hold their virtual hosts, and their wildcard what these need.
      const [clusters, routes] = [s.channels.get('cds'), s.channels.get('rds')];
      if (clusters?.subscription.wildcard === true) clusters.stale = true;
      routes?.dirty.addAll(routes.subscription.asked);
      return;
    }
    case 'raw': {
      const channel = s.channels.get(item.type);
      channel?.dirty.addAll(spellings(item.name, channel.subscription.asked));
      return;
    }
    case 'hosts':
      return;
    case 'rawset':
    case 'service':
    case 'own':
    case 'caller':
    case 'everything':
      for (const channel of s.channels.values()) channel.stale = true;
      s.interestStale = true;
      return;
    default:
      item satisfies never;
  }
};
