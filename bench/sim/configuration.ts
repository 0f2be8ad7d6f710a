/** What first configurations cost: of the sidecars of a run, and of the probes that need everything. */
import type { Fleet } from './fleet.ts';
import { percentilesOf, round } from './percentiles.ts';
import type { BytesByType, ConnectFigures, FullMeshFigures } from './result.ts';

/** Without the listener, which is the same for everybody. */
const configurationBytes = ({ cds, eds, vhds, rds, other }: BytesByType): number => cds + eds + vhds + rds + other;

/** While some still wait, means over all and the time of the last one are not known; without any, no time is. */
export const connectFigures = (fleet: Fleet, sidecars: number, totalMs: number): ConnectFigures => {
  const { completed, completions } = fleet;
  const { bytes } = fleet.counts();
  return {
    sidecars,
    completed,
    ...(completed === 0 ? {} : { each: percentilesOf(completions) }),
    ...(completed < sidecars
      ? {}
      : {
          totalMs: Math.round(totalMs),
          bytesPerSidecar: Math.round(configurationBytes(bytes) / sidecars),
          listenerBytesPerSidecar: Math.round(bytes.lds / sidecars),
        }),
  };
};

/**
 * All probes are configured, and it is quiet. `truth`: endpoints of each service; `onDemand`: bytes of a sidecar of the run. What a probe
 * holds must be what the sidecars hold, where they hold it at all: the same compiled bytes.
 */
export const fullMeshFigures = async (
  probing: Fleet,
  fleet: Fleet,
  probes: number,
  truth: readonly (readonly string[])[],
  onDemand: number | undefined,
): Promise<FullMeshFigures> => {
  const { bytes, resources } = probing.counts();
  const perSidecar = configurationBytes(bytes) / probes;
  const held = await probing.check(truth, new Map([...(await probing.versions()), ...(await fleet.versions())]));
  return {
    probes,
    bytesPerSidecar: Math.round(perSidecar),
    listenerBytesPerSidecar: Math.round(bytes.lds / probes),
    resourcesPerSidecar: Math.round(resources / probes),
    firstConfigurationMs: percentilesOf(probing.completions).p50,
    bytesRatio: round(perSidecar / (onDemand ?? perSidecar), 1),
    differing: held.lostResources,
  };
};
