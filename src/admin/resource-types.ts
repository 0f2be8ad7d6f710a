/** Types of resources as people write them. */
import { rawRefProblem } from '../model/index.ts';

/**
 * `cluster/cart.shop:8080`, `cds`, `Cluster` and full type URLs, as people write them. Types without a short name, which are raw
 * resources, are named by their type URL.
 */
export const resourceTypeOf = (text: string): string | undefined => {
  const last = (text.split('/').at(-1) ?? '').split('.').at(-1)?.toLowerCase() ?? '';
  const short = Object.hasOwn(TYPES, last) ? TYPES[last] : undefined;
  return short ?? (rawRefProblem({ typeUrl: text }) === undefined ? text : undefined);
};

const TYPES: Readonly<Record<string, string>> = {
  cds: 'cds',
  cluster: 'cds',
  eds: 'eds',
  clusterloadassignment: 'eds',
  endpoint: 'eds',
  endpoints: 'eds',
  lds: 'lds',
  listener: 'lds',
  rds: 'rds',
  routeconfiguration: 'rds',
  route: 'rds',
  routes: 'rds',
  vhds: 'vhds',
  virtualhost: 'vhds',
  host: 'vhds',
  srds: 'srds',
  scopedrouteconfiguration: 'srds',
  sds: 'sds',
  secret: 'sds',
  ecds: 'ecds',
  typedextensionconfig: 'ecds',
  rtds: 'rtds',
  runtime: 'rtds',
};
