import type { Visibility } from '../model/index.ts';

/**
 * May callers of `namespace` hold a service of namespace `owner`? `undefined` is a caller of whom only the mesh is known.
 * A list adds namespaces to the owner's own, which always sees its services. Delivery, not authorisation (policies.md 2).
 */
export const isVisible = (visibility: Visibility, owner: string, namespace: string | undefined): boolean => {
  if (visibility === 'mesh') return true;
  if (namespace === undefined) return false;
  return namespace === owner || (visibility !== 'namespace' && visibility.includes(namespace));
};
