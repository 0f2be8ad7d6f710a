/** Raw resources as the HTTP API asks for them, and as a refusal finds them: which one wins for a node. */
import type { RawPort } from '../admin/index.ts';
import { type ResourceType, typeUrlOf } from '../delta-xds/index.ts';
import { rawKey } from '../model/index.ts';
import type { FoldState } from '../projector/index.ts';
import type { RefusedRaw } from './refusals.ts';

type Fold = Pick<FoldState, 'raw'>;
type RawEntity = NonNullable<ReturnType<Fold['raw']>>;

interface Ref {
  readonly node?: string;
  readonly typeUrl: string;
  readonly name: string;
}

/** Put for the node, else for every node. */
const winning = (
  fold: Fold,
  node: string,
  type: ResourceType,
  name: string,
): { readonly ref: Ref; readonly raw: RawEntity } | undefined => {
  const typeUrl = typeUrlOf(type);
  const refs: readonly Ref[] = [
    { node, typeUrl, name },
    { typeUrl, name },
  ];
  for (const ref of refs) {
    const raw = fold.raw(rawKey(ref));
    if (raw !== undefined) return { ref, raw };
  }
  return undefined;
};

export const rawPort = (fold: Fold): RawPort => ({
  resource: (node, type, name) => {
    const found = winning(fold, node, type, name);
    if (found === undefined) return undefined;
    const { offset, source, recordedAt, reason } = found.raw;
    return { ...found.ref, offset, source, recordedAt, ...(reason === undefined ? {} : { reason }) };
  },
});

/** The raw resource that a node was sent under this name, if it is still the present one. */
export const refusedRaw = (
  fold: Fold,
  node: string,
  type: ResourceType,
  name: string,
  version: string,
): RefusedRaw | undefined => {
  // Virtual hosts are put under the name of the first route configuration, and go out under any.
  const put = type === 'vhds' ? `outbound${name.slice(name.indexOf('/'))}` : name;
  const found = winning(fold, node, type, put);
  if (found?.raw.version !== version) return undefined;
  return { ...found.ref, offset: found.raw.offset, source: found.raw.source };
};
