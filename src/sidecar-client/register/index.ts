/** Registration of an application: lease, readiness, drain. */
export { type AdminAnswer, AdminApi } from './admin-api.ts';
export { type HealthOptions, probeTimes, type RegisterOptions } from './options.ts';
export { type Probe, type ProbeResult, Prober, parseProbe } from './probes/index.ts';
export { type Drained, type Registration, type RegistrationState, register } from './register.ts';
export { nextVerdict, type Thresholds, UNKNOWN, type Verdict } from './verdict.ts';
