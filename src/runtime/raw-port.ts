/** Raw resources as the HTTP API asks for them: which one wins for a node. */
import type { RawPort } from '../admin/index.ts';
import { rawKey } from '../model/index.ts';
import type { FoldState } from '../projector/index.ts';
import { CDS, ECDS, EDS, LDS, RDS, RTDS, SDS, SRDS, VHDS } from '../proto/index.ts';

const TYPE_URLS: ReadonlyMap<string, string> = new Map([
  ['cds', CDS],
  ['eds', EDS],
  ['lds', LDS],
  ['rds', RDS],
  ['vhds', VHDS],
  ['srds', SRDS],
  ['sds', SDS],
  ['ecds', ECDS],
  ['rtds', RTDS],
]);

export const rawPort = (fold: Pick<FoldState, 'raw'>): RawPort => ({
  resource: (node, type, name) => {
    const typeUrl = TYPE_URLS.get(type) ?? type;
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
