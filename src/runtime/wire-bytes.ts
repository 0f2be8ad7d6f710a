/** Bytes of resources of services as they go to a sidecar: the same measure for what is held and for the whole mesh. */
import type { StoredResource } from '../projector/index.ts';
import { CDS, EDS, resourceSize, virtualHostResourceSize } from '../proto/index.ts';

/** Types that a service is made of; all others are a sidecar's own. */
const MEASURED = new Set(['cds', 'eds', 'vhds']);

export const isMeasured = (type: string): boolean => MEASURED.has(type);

/** Length of one `Resource`, encoded; computed, for a derivation may change all of them in one turn. EDS `local` goes to the service's own sidecars only: 0. */
export const wireBytes = (type: string, name: string, { version, body, domains = [] }: StoredResource): number => {
  if (type === 'cds') return resourceSize({ name, version, typeUrl: CDS, body });
  if (type === 'eds') return resourceSize({ name, version, typeUrl: EDS, body });
  if (type !== 'vhds') return 0;
  const aliases = domains.map((domain) => `outbound/${domain}`);
  return virtualHostResourceSize({ name: `outbound/${name}`, version, tail: body, aliases });
};
