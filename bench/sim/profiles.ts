/** Profiles: what each shows, and the options it begins with. Flags override them. */
import type { MeshOptions } from './mesh.ts';
import type { SimOptions } from './result.ts';

export type Fault = 'rolling-update' | 'zone-failure' | 'registry-flap' | 'reconnect-storm' | 'route-change';

export interface Profile {
  readonly name: string;
  readonly shows: string;
  readonly defaults: Partial<Omit<SimOptions, 'profile' | 'mode' | 'seed'>>;
  readonly shape?: MeshOptions['shape'];
  readonly fault?: Fault;
  /** All sidecars dial at once, instead of some at a time. */
  readonly isCold?: boolean;
}

export const PROFILES: readonly Profile[] = [
  {
    name: 'default',
    shows: 'a mesh of any size under steady churn',
    defaults: {},
  },
  {
    name: 'boutique',
    shows: 'Online Boutique with its real calls: a small mesh, where on demand saves least',
    defaults: { sidecars: 60, services: 12, endpoints: 5, deps: 7, churn: 5, hot: 0 },
    shape: 'boutique',
  },
  {
    name: 'istio-1000-2000',
    shows: "the size of Istio's published load test: 1,000 services, 2,000 sidecars; memory of the control plane",
    defaults: {
      sidecars: 2_000,
      services: 1_000,
      endpoints: 2,
      deps: 10,
      churn: 10,
      hot: 0,
      settleS: 60,
      durationS: 30,
    },
  },
  {
    name: 'ten-thousand',
    shows:
      '10,000 sidecars, 5,000 services, 100 changes/s, and 1/s of a service that all hold: propagation, loop lag, nothing lost',
    defaults: {
      sidecars: 10_000,
      services: 5_000,
      endpoints: 10,
      deps: 10,
      churn: 100,
      hot: 1,
      durationS: 60,
      workers: 2,
    },
  },
  {
    name: 'bytes',
    shows: 'bytes of a sidecar that holds 10 of 10,000 services, and of the full mesh',
    defaults: { sidecars: 200, services: 10_000, endpoints: 10, deps: 10, churn: 10, hot: 0, durationS: 10 },
  },
  {
    name: 'alibaba',
    shows:
      "sizes and popularity as in Alibaba's published traces: few very large services, most small (1/20 of the services)",
    defaults: { sidecars: 2_000, services: 3_388, endpoints: 27, deps: 8, churn: 50, hot: 0 },
    shape: 'alibaba',
  },
  {
    name: 'rolling-update',
    shows: 'every pod of a tenth of the services is replaced by one with another id, a quarter of a service at a time',
    defaults: { sidecars: 1_000, services: 500, endpoints: 8, churn: 5 },
    fault: 'rolling-update',
  },
  {
    name: 'zone-failure',
    shows: 'all endpoints of one zone fail at once, and come back',
    defaults: { sidecars: 1_000, services: 500, endpoints: 9, churn: 5 },
    fault: 'zone-failure',
  },
  {
    name: 'registry-flap',
    shows: 'a tenth of all endpoints flips 10 times a second; coalescing, and what stable endpoints feel of it',
    defaults: { sidecars: 500, services: 500, endpoints: 10, churn: 10 },
    fault: 'registry-flap',
  },
  {
    name: 'reconnect-storm',
    shows: 'kill -9 of the whole server: all sidecars come back with what they hold; nothing is sent again',
    defaults: { sidecars: 10_000, services: 5_000, endpoints: 10, deps: 10, churn: 10, hot: 1, durationS: 5 },
    fault: 'reconnect-storm',
  },
  {
    name: 'route-change',
    shows: 'one change of a route reaches the sidecars that hold the service, and no other',
    defaults: { sidecars: 10_000, services: 5_000, endpoints: 10, deps: 10, churn: 0, hot: 0, durationS: 1 },
    fault: 'route-change',
  },
  {
    name: 'mesh-size',
    shows: 'what the number of services costs: run it with --services 1000 and with --services 20000, and compare',
    defaults: { sidecars: 500, services: 1_000, endpoints: 5, deps: 10, churn: 50, hot: 0, durationS: 30 },
  },
  {
    name: 'cold-start',
    shows: 'all sidecars dial at once, nothing is learned yet',
    defaults: { sidecars: 10_000, services: 1_000, endpoints: 3, deps: 10, churn: 0, hot: 0, durationS: 1 },
    isCold: true,
  },
];

/** Where neither the profile nor a flag says anything. */
export const BASE: Omit<SimOptions, 'profile' | 'mode'> = {
  sidecars: 500,
  services: 500,
  endpoints: 5,
  deps: 10,
  churn: 20,
  hot: 1,
  durationS: 15,
  settleS: 0,
  seed: 1,
  workers: 1,
  clients: 2,
  perConnection: 1,
  log: 'lmdb',
  probes: 2,
};

/** Sidecars by default with `--mode full-mesh`: each holds the whole mesh. */
export const FULL_MESH_SIDECARS = 50;
