import { rawOfSubject, serviceName } from '../../model/index.ts';
import { MESH_KEY, type MeshState } from './mesh-state.ts';

/** Splits off the first `count` parts of a path; the rest keeps its slashes. */
const partsOf = (path: string, count: number): readonly string[] => {
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < count; at += 1) {
    const slash = path.indexOf('/', from);
    if (slash < 0) break;
    parts.push(path.slice(from, slash));
    from = slash + 1;
  }
  parts.push(path.slice(from));
  return parts;
};

/**
 * Offset of the last event applied to the entity of a subject; 0 when there is none (any more). Subjects that are no entity
 * (`edges`) have 0 always; all raw resources of a
 * node have the offset of the last event on them.
 */
export const subjectOffset = (state: MeshState, subject: string): number => {
  if (subject === MESH_KEY) return state.mesh.get(MESH_KEY)?.offset ?? 0;
  const slash = subject.indexOf('/');
  const rest = subject.slice(slash + 1);
  switch (subject.slice(0, slash)) {
    case 'service': {
      const [namespace = '', name = ''] = partsOf(rest, 1);
      return state.services.get(serviceName(namespace, name))?.offset ?? 0;
    }
    case 'endpoint': {
      const [namespace = '', service = '', id = ''] = partsOf(rest, 2);
      return state.endpoints.get(serviceName(namespace, service))?.peek(id)?.offset ?? 0;
    }
    case 'policy':
      return state.policies.get(rest)?.offset ?? 0;
    case 'edge': {
      const [from = '', to = ''] = partsOf(rest, 1);
      return state.edges.get(from)?.find(to)?.lastOffset ?? 0;
    }
    case 'keeper':
      return state.keepers.get(rest)?.offset ?? 0;
    case 'replica':
      return state.replicas.get(rest)?.offset ?? 0;
    case 'resource': {
      const raw = rawOfSubject(subject);
      if ('key' in raw) return state.raw.get(raw.key)?.offset ?? 0;
      let last = 0;
      for (const set of state.rawIndex.setsOf(raw.node)) last = Math.max(last, state.rawSets.get(set)?.offset ?? 0);
      return last;
    }
    default:
      return 0;
  }
};
