/** `version_info` of a state: a hash over names and versions, the same on every replica. */
import { contentVersion } from '../../proto/index.ts';
import type { ResourceBody } from '../resource-source.ts';
import type { SotwState } from './sotw-state.ts';
import type { StateChannel } from './state-channel.ts';

export const stateVersion = (items: Iterable<readonly [string, ResourceBody]>): string => {
  const lines: string[] = [];
  for (const [name, { version }] of items) lines.push(`${name}\n${version}\n`);
  return contentVersion([Buffer.from(lines.sort().join(''))]);
};

/** Names that a wildcard stands for: the node's own, and the clusters of its edges. */
export const wildcardNames = ({ view }: SotwState, { type }: StateChannel): ReadonlySet<string> => {
  if (type === 'lds') return new Set(view.own('lds'));
  if (type !== 'cds') return new Set();
  const names = new Set(view.own('cds'));
  for (const servicePort of view.preload()) for (const name of view.clustersOf(servicePort)) names.add(name);
  return names;
};

/** The whole state of a wildcard without names besides; undefined when there are such. */
export const pureWildcard = (
  s: SotwState,
  channel: StateChannel,
): { readonly versionInfo: string; readonly items: ReadonlyMap<string, ResourceBody> } | undefined => {
  if (!channel.subscription.wildcard || channel.subscription.asked.size > 0) return undefined;
  const items = new Map<string, ResourceBody>();
  for (const name of wildcardNames(s, channel)) {
    const body = s.view.get(channel.type, name);
    if (body !== undefined) items.set(s.shapes.text(name), body);
  }
  return { versionInfo: stateVersion(items), items };
};
