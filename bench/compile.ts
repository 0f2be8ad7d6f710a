/** What compile costs: both units of a service, a load assignment of 10,000 endpoints with one block changed, a node's listeners. */
import {
  type CompileInputs,
  compileOwn,
  compileService,
  type EndpointBlock,
  type EndpointView,
  type ServiceView,
} from '../src/compile/index.ts';
import {
  effective,
  type ResolvedRoute,
  type ResolvedUpstream,
  resolveRoute,
  resolveUpstream,
} from '../src/model/index.ts';

export interface CompileFigures {
  /** Microseconds per unit of a service with one HTTP port; inputs resolved. */
  readonly config_unit_us: number;
  /** The same with 4 ports, 2 subsets and 5 rules. */
  readonly large_config_unit_us: number;
  /** 10 endpoints of which one changed: load assignment and EDS `local`. */
  readonly endpoints_unit_us: number;
  /** 10,000 endpoints in blocks of 250, one block changed. */
  readonly ten_thousand_one_block_changed_ms: number;
  readonly ten_thousand_all_blocks_ms: number;
  readonly own_resources_us: number;
  readonly bytes: Readonly<Record<string, number>>;
}

const ROUNDS = 40;

/** Best of many short rounds (others use the machine too), in microseconds per call. */
const microseconds = (calls: number, run: (index: number) => unknown): number => {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let index = 0; index < calls; index++) run(index);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1000 / calls);
  }
  return Math.round(best * 10) / 10;
};

const LABELS = [{ version: 'v1' }, { version: 'v2' }];
const ZONES = ['a', 'b', 'c'].map((zone) => ({ region: 'eu-central-1', zone: `eu-central-1${zone}` }));

const endpoint = (index: number): EndpointView => ({
  id: `e${index}`,
  address: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`,
  ports: { 80: 8080 },
  labels: LABELS[index % 2] ?? {},
  locality: ZONES[index % 3] ?? {},
});

/** A new object each time: as if one endpoint in it had changed. */
const block = (from: number, size: number): EndpointBlock => {
  const endpoints = Array.from({ length: size }, (_, index) => endpoint(from + index));
  return { size, endpoints: () => endpoints };
};

const service = (ports: ServiceView['ports']): ServiceView => ({
  name: 'cart.shop',
  namespace: 'shop',
  ports,
  labels: {},
  interfaces: [],
  externalHosts: [],
  visibility: 'mesh',
  defaultPort: 80,
});

const inputsOf = (
  view: ServiceView,
  blocks: () => readonly EndpointBlock[],
  spec: { readonly route: object; readonly upstream: object },
): CompileInputs => {
  const layer = (document: string, given: object) => [{ document, scope: 'svc:cart.shop', spec: { ...given } }];
  const routes = new Map<number, ResolvedRoute>();
  const upstreams = new Map<number, ResolvedUpstream>();
  for (const { port, protocol } of view.ports) {
    const called = { service: view.name, port, protocol };
    routes.set(port, resolveRoute(effective('Route', layer('Route/shop/cart', spec.route)), called));
    upstreams.set(port, resolveUpstream(effective('Upstream', layer('Upstream/shop/cart', spec.upstream))));
  }
  const known = <T>(map: ReadonlyMap<number, T>, port: number): T => {
    const value = map.get(port);
    if (value === undefined) throw new Error(`port ${port} is not resolved`);
    return value;
  };
  return {
    mesh: () => ({ name: 'default', suffixes: ['.mesh.local', '.svc.cluster.local'] }),
    service: (name) => (name === view.name ? view : undefined),
    endpoints: blocks,
    route: (_name, port) => known(routes, port),
    upstream: (_name, port) => known(upstreams, port),
  };
};

const SMALL = { route: { timeout: '2s' }, upstream: { outlier: { consecutive5xx: 5 } } };
const LARGE = {
  route: {
    to: { v1: { weight: 80 }, v2: { weight: 20 } },
    rules: Object.fromEntries(
      [1, 2, 3, 4, 5].map((index) => [
        `r${index}`,
        { match: { path: { prefix: `/v${index}` }, headers: { 'x-user': `u${index}` } }, to: { v2: {} } },
      ]),
    ),
  },
  upstream: { subsets: { v1: { labels: { version: 'v1' } }, v2: { labels: { version: 'v2' } } } },
};

export async function run(): Promise<CompileFigures> {
  const one = service([{ port: 80, protocol: 'http' }]);
  const four = service([80, 81, 82, 83].map((port) => ({ port, protocol: 'grpc' })));
  const small = inputsOf(one, () => [], SMALL);
  const large = inputsOf(four, () => [], LARGE);

  const fresh = Array.from({ length: 100 * ROUNDS }, () => [block(0, 10)]);
  let at = 0;
  const ten = inputsOf(one, () => fresh[at] ?? [], SMALL);
  const endpointsUnit = microseconds(100, () => {
    compileService('endpoints', 'cart.shop', ten);
    at += 1;
  });

  const blocks = Array.from({ length: 40 }, (_, index) => block(index * 250, 250));
  let current = blocks;
  const tenThousand = inputsOf(one, () => current, SMALL);
  const assignments = () => compileService('endpoints', 'cart.shop', tenThousand);
  const all = microseconds(1, () => {
    current = Array.from({ length: 40 }, (_, index) => block(index * 250, 250));
    assignments();
  });
  current = blocks;
  const assigned = assignments();
  const changed = Array.from({ length: 4 * ROUNDS }, () => block(2_500, 250));
  let next = 0;
  const oneBlock = microseconds(4, () => {
    current = blocks.with(10, changed[next++] ?? block(2_500, 250));
    return assignments();
  });

  const view = service([{ port: 80, protocol: 'http' }]);
  const own = (port: number) =>
    compileOwn({
      caller: 'cart.shop',
      namespace: 'shop',
      onDemand: true,
      serviceAccount: 'cart',
      listen: { address: '127.0.0.1', outbound: port, inbound: 15006 },
      service: view,
      endpoint: endpoint(1),
      tcp: [],
    });
  const bytes = Object.fromEntries([
    ...compileService('config', 'cart.shop', small).map((each) => [
      `${each.type} ${each.variant}`.trim(),
      each.body.length,
    ]),
    [
      'eds of 10',
      compileService(
        'endpoints',
        'cart.shop',
        inputsOf(one, () => [block(0, 10)], SMALL),
      )[0]?.body.length ?? 0,
    ],
    ['eds of 10,000', assigned[0]?.body.length ?? 0],
    ['listener outbound', own(15001).listeners.get('outbound')?.body.length ?? 0],
  ]);
  return {
    config_unit_us: microseconds(50, () => compileService('config', 'cart.shop', small)),
    large_config_unit_us: microseconds(5, () => compileService('config', 'cart.shop', large)),
    endpoints_unit_us: endpointsUnit,
    ten_thousand_one_block_changed_ms: Math.round(oneBlock) / 1000,
    ten_thousand_all_blocks_ms: Math.round(all) / 1000,
    own_resources_us: microseconds(20, (index) => own(15_001 + index)),
    bytes,
  };
}
