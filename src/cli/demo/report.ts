/** The demo's steady report: who holds what, edges as they are learned, bytes against a full push. */
import type { AdminClient } from '../client.ts';
import { bytes, plural, table } from '../output.ts';
import type { DemoMesh } from './mesh.ts';

interface ProxyRow {
  readonly id: string;
  readonly service: string;
  readonly state: string;
  readonly services: number;
  readonly of: number;
  /** Sent: clusters, endpoints and virtual hosts of services. */
  readonly serviceBytes: number;
  /** Bytes of every cluster, assignment and virtual host of the mesh, as compiled. */
  readonly fullPushBytes: number;
}

interface EdgeRow {
  readonly from: string;
  readonly to: string;
  readonly port?: number;
  readonly origin: string;
}

export interface Visits {
  readonly visits: number;
  readonly failures: number;
  readonly lastFailure: string | undefined;
}

/** Callees of a caller, shortest form: `cartservice:7070 (learned)`. */
const calleesOf = (edges: readonly EdgeRow[], service: string): string =>
  edges
    .filter((edge) => edge.from === service)
    .map((edge) => `${edge.to.split('.')[0]}${edge.origin.startsWith('declared') ? '*' : ''}`)
    .sort()
    .join(' ');

export const report = async (admin: AdminClient, mesh: DemoMesh, tally: Visits, title: string): Promise<string> => {
  const proxies: ProxyRow[] = [];
  for await (const proxy of admin.pages<ProxyRow>('/v1/proxies', 'proxies')) proxies.push(proxy);
  const edges: EdgeRow[] = [];
  for await (const edge of admin.pages<EdgeRow>('/v1/graph', 'edges')) edges.push(edge);
  proxies.sort((a, b) => (a.service < b.service ? -1 : 1));
  const sent = proxies.reduce((sum, proxy) => sum + proxy.serviceBytes, 0);
  const full = proxies.reduce((sum, proxy) => sum + proxy.fullPushBytes, 0);
  const learned = edges.filter((edge) => edge.origin.includes('learned')).length;
  const saved = full === 0 ? 0 : Math.round(100 * (1 - sent / full));
  return [
    `== ${title}: ${plural(tally.failures, 'failure')}${tally.lastFailure === undefined ? '' : ` (last: ${tally.lastFailure})`}`,
    table(proxies, [
      { title: 'SIDECAR OF', value: (proxy) => proxy.service },
      { title: 'STATE', value: (proxy) => proxy.state },
      { title: 'HOLDS', value: (proxy) => proxy.services, number: true },
      { title: 'OF', value: (proxy) => proxy.of, number: true },
      { title: 'SENT', value: (proxy) => bytes(proxy.serviceBytes), number: true },
      { title: 'FULL PUSH', value: (proxy) => bytes(proxy.fullPushBytes), number: true },
      { title: 'CALLS (* declared, else learned)', value: (proxy) => calleesOf(edges, proxy.service) },
    ]),
    `${plural(edges.length, 'edge')} of ${mesh.calls.length} calls known, ${learned} learned; ` +
      `sent ${bytes(sent)}, a full push to all would be ${bytes(full)} (${saved} % saved)`,
  ].join('\n');
};
