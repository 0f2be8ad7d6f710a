/** Several control planes on one log: who they are, whether they agree, which of them keeps the edges. */
export { compareReplicas, type Proof, type Verdict } from './compare.ts';
export type { KeeperChoice } from './keeper-choice.ts';
export { divergedError, markOut, requireNotOut } from './out-mark.ts';
export type { LeaseAsked, ReplicaAnswer, ReplicaQuestion, ReplicaStatement } from './peer-client.ts';
export { ReplicaGroup, type ReplicaRow } from './replica-group.ts';
export { replicaId } from './replica-id.ts';
export { Replicas } from './replicas.ts';
