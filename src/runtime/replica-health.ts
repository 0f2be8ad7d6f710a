/** What `/healthz` says of the replicas of this log. */
import type { HealthPart } from '../admin/index.ts';
import type { CoreParts } from './core-parts.ts';
import { divergedError } from './replicas/index.ts';

/** Undefined: this is the only control plane of its log. */
export const replicaPart = ({ replicas, out }: CoreParts): HealthPart | undefined => {
  if (replicas.group === undefined) return undefined;
  const why = out();
  if (why !== undefined) {
    const { code, message, remedy } = divergedError(why);
    return { name: 'replicas', status: 'failed', code, message, ...(remedy === undefined ? {} : { remedy }) };
  }
  const rows = replicas.rows();
  const known = { replicas: rows.length };
  const verdict = replicas.comparison();
  if (verdict.verdict === 'others')
    return {
      name: 'replicas',
      status: 'degraded',
      ...known,
      code: 'REPLICA_DIVERGED',
      message: `the ${verdict.what} of ${verdict.odd.join(', ')} differs from that of the others at offset ${verdict.offset}`,
      remedy: 'it takes itself out of service; give it the state of another one there: `tendril recover`',
    };
  if (verdict.verdict === 'tied')
    return {
      name: 'replicas',
      status: 'degraded',
      ...known,
      code: 'REPLICAS_TIED',
      message: `the ${verdict.what} differs from that of ${verdict.with.join(', ')} at offset ${verdict.offset}, and no larger half says which is right`,
      remedy:
        'stop them one after the other and run `tendril verify --data DIR`: the one whose replay differs is wrong; give it the state of the other: `tendril recover`',
    };
  const silent = rows.filter(({ state }) => state === 'silent' || state === 'unknown');
  if (silent.length === 0) return { name: 'replicas', status: 'ok', ...known };
  return {
    name: 'replicas',
    status: 'degraded',
    ...known,
    code: 'REPLICA_SILENT',
    message: `${silent.map(({ id }) => id).join(', ')} ${silent.length === 1 ? 'does' : 'do'} not answer; no edge expires meanwhile`,
    remedy: 'start it again; when it is gone for good: `tendril replicas remove ID`',
  };
};
