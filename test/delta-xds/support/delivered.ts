/** What a server has told its delivery log, step by step. */
import type { DeliveryGroup, DeliveryLog } from '../../../src/delta-xds/index.ts';

export interface Delivered extends Omit<DeliveryGroup, 'steps'> {
  readonly node: string;
  readonly caller: string;
}

/** All steps gathered so far; they stay where they are. */
export const deliveredIn = (log: DeliveryLog): readonly Delivered[] => {
  const delivered: Delivered[] = [];
  log.pass(({ nodes, groups }) => {
    for (const { steps, ...group } of groups)
      for (let at = 0; at < steps.length; at += 2) {
        const [node, caller] = nodes[steps[at] ?? -1] ?? ['', ''];
        delivered.push({ ...group, at: group.at + (steps[at + 1] ?? 0), node, caller });
      }
    return false;
  });
  return delivered;
};
