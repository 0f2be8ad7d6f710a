/** Raw resources as the HTTP API asks for them: which one wins for a node. */
import type { RawPort } from '../admin/index.ts';
import { typeUrlOf } from '../delta-xds/index.ts';
import { rawKey } from '../model/index.ts';
import type { FoldState } from '../projector/index.ts';
export const rawPort = (fold: Pick<FoldState, 'raw'>): RawPort => ({
  resource: (node, type, name) => {
    const typeUrl = typeUrlOf(type);
    for (const ref of [
      { node, typeUrl, name },
      { typeUrl, name },
    ]) {
      const raw = fold.raw(rawKey(ref));
      if (raw === undefined) continue;
      const { offset, source, recordedAt, reason } = raw;
      return { ...ref, offset, source, recordedAt, ...(reason === undefined ? {} : { reason }) };
    }
    return undefined;
  },
});
