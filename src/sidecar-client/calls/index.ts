/** The pure core of calls: which endpoint a call goes to, and what is learnt from how it ends (docs/calls.md). */
export { createCallCore } from './core.ts';
export { clusterLoadAssignment, HEALTHY } from './messages.ts';
export { CHECK_RULES, refuseReason } from './refuse-reason.ts';
export type * from './types.ts';
