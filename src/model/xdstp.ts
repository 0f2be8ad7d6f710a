/**
 * xdstp names (cncf/xds TP1): `xdstp://<authority>/<type>/<id>?<context parameters>#<directives>`. Context parameters are a map, so two
 * spellings that differ in their order mean one resource. Everything else in a name is compared as it is written.
 */
const SCHEME = 'xdstp:';

/** The spelling under which a resource is looked up: context parameters sorted. Names of other forms come back as they are. */
export const canonicalName = (name: string): string => {
  if (!name.startsWith(SCHEME)) return name;
  const hash = name.indexOf('#');
  const end = hash < 0 ? name.length : hash;
  const question = name.indexOf('?');
  if (question < 0 || question > end) return name;
  const parameters = name.slice(question + 1, end).split('&');
  if (parameters.length < 2) return name;
  return `${name.slice(0, question + 1)}${parameters.sort().join('&')}${name.slice(end)}`;
};

/** The name, and the other spellings among `asked` that mean the same resource. */
export const spellings = (name: string, asked: Iterable<string>): readonly string[] => {
  if (!name.startsWith(SCHEME)) return [name];
  const canonical = canonicalName(name);
  const others = [...asked].filter((candidate) => candidate !== name && canonicalName(candidate) === canonical);
  return [name, ...others];
};

/** True for `xdstp://…/*`: not the name of a resource, but of all resources below it. */
export const isCollection = (name: string): boolean => name.startsWith(SCHEME) && /^[^?#]*\/\*(?:[?#]|$)/.test(name);
