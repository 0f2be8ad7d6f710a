/** What the proto module costs: loading it (child processes), encoding, composing, hashing, decoding. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  CDS,
  ClusterLoadAssignment,
  composeDeltaResponse,
  contentVersion,
  decodeDeltaRequest,
  EDS,
  encodeCanonical,
  encodeDeltaRequest,
  encodeResource,
  type IClusterLoadAssignment,
} from '../src/proto/index.ts';

const loadOnce = (): number => {
  const module = fileURLToPath(new URL('../src/proto/generated/envoy.js', import.meta.url));
  const program = `const t = performance.now(); await import(${JSON.stringify(module)}); console.log(performance.now() - t);`;
  return Number(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }));
};

/** Best of five rounds, in microseconds per call. */
const microseconds = (calls: number, run: () => unknown): number => {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < calls; i++) run();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1000 / calls);
  }
  return Math.round(best * 100) / 100;
};

const assignment = (endpoints: number): IClusterLoadAssignment => ({
  clusterName: 'cart.shop:80',
  endpoints: [
    {
      locality: { region: 'eu', zone: 'a' },
      lbEndpoints: Array.from({ length: endpoints }, (_, i) => ({
        endpoint: { address: { socketAddress: { address: `10.0.${i >> 8}.${i & 255}`, portValue: 8080 } } },
        healthStatus: 1,
        loadBalancingWeight: { value: 100 },
      })),
    },
  ],
});

/** Milliseconds and microseconds; figures of one machine at one moment. */
export async function run(): Promise<object> {
  const loads = Array.from({ length: 5 }, loadOnce).sort((a, b) => a - b);
  const ten = assignment(10);
  const thousand = assignment(1000);
  const body = encodeCanonical(ClusterLoadAssignment, ten);
  const large = encodeCanonical(ClusterLoadAssignment, thousand);
  const version = contentVersion([body]);
  const resource = encodeResource({ name: 'cart.shop:80', version, typeUrl: EDS, body });
  const request = encodeDeltaRequest({
    typeUrl: CDS,
    subscribe: Array.from({ length: 50 }, (_, i) => `service-${i}.shop:80`),
    unsubscribe: [],
    initialResourceVersions: new Map(Array.from({ length: 50 }, (_, i) => [`service-${i}.shop:80`, version])),
    responseNonce: '',
  });
  return {
    load_ms: { median: Math.round(loads[2] ?? 0), worst: Math.round(loads[4] ?? 0) },
    encode_cla_10_us: microseconds(20_000, () => encodeCanonical(ClusterLoadAssignment, ten)),
    encode_cla_1000_us: microseconds(200, () => encodeCanonical(ClusterLoadAssignment, thousand)),
    version_cla_10_us: microseconds(20_000, () => contentVersion([body])),
    version_cla_1000_us: microseconds(2_000, () => contentVersion([large])),
    encode_resource_us: microseconds(20_000, () =>
      encodeResource({ name: 'cart.shop:80', version, typeUrl: EDS, body }),
    ),
    compose_1_resource_us: microseconds(20_000, () =>
      composeDeltaResponse({ typeUrl: EDS, nonce: '1', resources: [resource], removed: [] }),
    ),
    compose_10_resources_us: microseconds(20_000, () =>
      composeDeltaResponse({ typeUrl: EDS, nonce: '1', resources: Array<Uint8Array>(10).fill(resource), removed: [] }),
    ),
    decode_request_100_names_us: microseconds(2_000, () => decodeDeltaRequest(request)),
    bytes: { cla_10: body.length, cla_1000: large.length, resource: resource.length, request: request.length },
  };
}
