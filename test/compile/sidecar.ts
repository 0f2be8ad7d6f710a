/** A real Envoy that gets compiled resources from a static ADS server. */
import assert from 'node:assert/strict';
import { type CompiledResource, compileOwn, type OwnInputs } from '../../src/compile/index.ts';
import { envoyBootstrap } from '../../src/runtime/bootstrap-envoy.ts';
import { assertHealthy, type Envoy, startEnvoy } from '../support/envoy.ts';
import { freePorts } from '../support/ports.ts';
import { type StaticAds, startStaticAds } from './static-ads.ts';

export interface TestSidecar {
  readonly envoy: Envoy;
  readonly ads: StaticAds;
  /** Port of the `outbound` listener. */
  readonly outbound: number;
  stop(): Promise<void>;
}

export interface SidecarOptions {
  readonly resources: readonly CompiledResource[];
  /** Default: web.shop without a registered service. */
  readonly own?: Partial<OwnInputs>;
  readonly zone?: string;
  /** Clusters that only an on-demand question brings. */
  readonly onDemand?: readonly string[];
}

/** Resources that a caller of namespace `shop` would get. */
export async function startSidecar({ resources, own = {}, zone, onDemand = [] }: SidecarOptions): Promise<TestSidecar> {
  const [outbound = 0, adminPort = 0] = await freePorts(2);
  const pick = (type: CompiledResource['type']): [string, CompiledResource][] =>
    resources
      .filter((each) => each.type === type && (each.variant === '' || each.variant === 'ns:shop'))
      .map((each) => [each.name, each]);
  const caller = own.caller ?? 'web.shop';
  const local = resources.find((each) => each.type === 'local' && each.name === caller);
  const ads = await startStaticAds({
    own: compileOwn({
      caller,
      namespace: 'shop',
      onDemand: true,
      serviceAccount: 'web',
      listen: { address: '127.0.0.1', outbound, inbound: undefined },
      service: undefined,
      endpoint: undefined,
      tcp: [],
      ...own,
    }),
    clusters: new Map(pick('cds')),
    onDemand,
    assignments: new Map([...pick('eds'), ...(local === undefined ? [] : [['local', local] as const])]),
    virtualHosts: new Map(pick('vhds').map(([name, each]) => [name, { ...each, domains: each.domains ?? [] }])),
  });
  const envoy = await startEnvoy({
    bootstrap: envoyBootstrap({
      service: caller,
      xds: { host: '127.0.0.1', port: ads.port },
      adminPort,
      ...(zone === undefined ? {} : { region: 'eu', zone }),
    }),
  });
  const stop = async (): Promise<void> => {
    await envoy.stop();
    ads.close();
  };
  try {
    await envoy.live();
  } catch (error) {
    await stop();
    throw error;
  }
  return { envoy, ads, outbound, stop };
}

/** Envoy took everything: nothing refused, deprecated, unknown, timed out or left warming. */
export async function assertAccepted({ envoy, ads }: TestSidecar): Promise<void> {
  assert.deepEqual(ads.refusals, []);
  await assertHealthy(envoy);
  const warnings = envoy
    .log()
    .split('\n')
    .filter((line) => /\[(warning|error|critical)\]/.test(line) && !line.includes('global_downstream_max_connections'));
  assert.deepEqual(warnings, []);
}
