/** Probes: whether an application answers. */
export { parseProbe } from './parse.ts';
export type { Probe, ProbeResult } from './probe.ts';
export { Prober } from './prober.ts';
