/** `keeper.elected`: terms of whoever owns a clock count up by one; the newest holds, and fences off all before it. */
import type { RecordedEvent } from '../../model/index.ts';
import type { MeshState } from './mesh-state.ts';
import { APPLIED, type Applied, type Refusal, rejected } from './verdict.ts';

export const keeperElected = (state: MeshState, event: RecordedEvent<'keeper.elected'>): Applied | Refusal => {
  const { keeper, epoch, holder } = event.data;
  const before = state.keepers.get(keeper)?.epoch ?? 0;
  if (epoch !== before + 1)
    return rejected(
      'stale-epoch',
      `The term of keeper ${keeper} is ${before}; the next one is ${before + 1}, not ${epoch}.`,
    );
  state.keepers.set(keeper, { epoch, holder, offset: event.offset, recordedAt: event.recordedAt });
  return APPLIED;
};
