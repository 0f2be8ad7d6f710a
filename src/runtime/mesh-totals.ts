/** What a full push would send to every sidecar: all shared resources of the mesh, from the really compiled bytes. */
import type { Projector, StoredResource } from '../projector/index.ts';
import { CDS, EDS, encodeResource, encodeVirtualHostResource } from '../proto/index.ts';

export interface MeshTotals {
  /** Service ports of the mesh. */
  readonly servicePorts: number;
  readonly fullPushBytes: number;
}

/** Length of one `Resource` as a sidecar gets it. EDS `local` goes to the service's own sidecars only: 0. */
const wireBytes = (type: string, name: string, { version, body, domains = [] }: StoredResource): number => {
  if (type === 'cds') return encodeResource({ name, version, typeUrl: CDS, body }).length;
  if (type === 'eds') return encodeResource({ name, version, typeUrl: EDS, body }).length;
  if (type !== 'vhds') return 0;
  const aliases = domains.map((domain) => `outbound/${domain}`);
  return encodeVirtualHostResource({ name: `outbound/${name}`, version, tail: body, aliases }).length;
};

/** Reading all resources of a mesh of 10,000 services takes about 0.1 s, so an answer is kept for as long as nothing changed. */
export class MeshTotalsReader {
  readonly #projector: Projector;
  #epoch = -1;
  #totals: MeshTotals = { servicePorts: 0, fullPushBytes: 0 };

  constructor(projector: Projector) {
    this.#projector = projector;
  }

  read(): MeshTotals {
    const { epoch } = this.#projector.notice;
    if (epoch === this.#epoch) return this.#totals;
    let servicePorts = 0;
    const { fold } = this.#projector;
    for (const name of fold.serviceNames()) servicePorts += fold.service(name)?.ports.length ?? 0;
    let fullPushBytes = 0;
    for (const { type, name, resource } of this.#projector.queries.sharedResources())
      fullPushBytes += wireBytes(type, name, resource);
    this.#totals = { servicePorts, fullPushBytes };
    this.#epoch = epoch;
    return this.#totals;
  }
}
