/**
 * A delta ADS server for one real Envoy: answers from a table of compiled resources, with nothing pushed by itself. Wildcards get
 * what was given; other names are answered when asked, unknown clusters by an empty one, unknown hosts without a body.
 */
import * as grpc from '@grpc/grpc-js';
import {
  emptyAssignment,
  emptyCluster,
  type OwnResource,
  type OwnResources,
  routeConfiguration,
} from '../../src/compile/index.ts';
import {
  CDS,
  composeDeltaResponse,
  decodeDeltaRequest,
  EDS,
  encodeResource,
  encodeVirtualHostResource,
  GRPC_PATHS,
  LDS,
  RDS,
  VHDS,
} from '../../src/proto/index.ts';

export interface AdsResources {
  readonly own: OwnResources;
  readonly clusters: ReadonlyMap<string, OwnResource>;
  /** Names of clusters that are only sent when asked for; all others, and the own ones, go with the first answer. */
  readonly onDemand: readonly string[];
  readonly assignments: ReadonlyMap<string, OwnResource>;
  /** By canonical service port. */
  readonly virtualHosts: ReadonlyMap<string, OwnResource & { readonly domains: readonly string[] }>;
}

export interface StaticAds {
  readonly port: number;
  /** `error_detail` of every NACK. */
  readonly refusals: readonly string[];
  /** Names asked for, by type URL. */
  readonly asked: ReadonlyMap<string, readonly string[]>;
  close(): void;
}

type Answer = { readonly resources: Uint8Array[]; readonly removed: string[] };

const same = (value: Buffer): Buffer => value;

export async function startStaticAds(table: AdsResources): Promise<StaticAds> {
  const refusals: string[] = [];
  const asked = new Map<string, string[]>();
  let fresh = 0;

  const encode = (typeUrl: string, name: string, { version, body }: OwnResource): Uint8Array =>
    encodeResource({ name, version, typeUrl, body });
  const byHost = (name: string): Uint8Array => {
    const [rc = '', host = ''] = [name.slice(0, name.indexOf('/')), name.slice(name.indexOf('/') + 1)];
    for (const [canonical, { version, body, domains }] of table.virtualHosts) {
      if (!domains.includes(host)) continue;
      const aliases = domains.map((domain) => `${rc}/${domain}`);
      return encodeVirtualHostResource({ name: `${rc}/${canonical}`, version, tail: body, aliases });
    }
    fresh += 1;
    return encodeResource({ name, version: `neg-${fresh}`, typeUrl: VHDS, aliases: [name] });
  };

  const answer = (typeUrl: string, names: readonly string[], first: boolean): Answer | undefined => {
    const named = (make: (name: string) => Uint8Array): Answer => ({
      resources: names.filter((name) => name !== '*').map(make),
      removed: [],
    });
    switch (typeUrl) {
      case LDS:
        if (!first) return undefined;
        return { resources: [...table.own.listeners].map(([name, each]) => encode(LDS, name, each)), removed: [] };
      case CDS: {
        const preloaded = [...table.clusters].filter(([name]) => !table.onDemand.includes(name));
        const all = first ? [...table.own.clusters, ...preloaded] : [];
        const wanted = named((name) => encode(CDS, name, table.clusters.get(name) ?? emptyCluster(name)));
        if (!first && wanted.resources.length === 0) return undefined;
        return { resources: [...all.map(([name, each]) => encode(CDS, name, each)), ...wanted.resources], removed: [] };
      }
      case EDS:
        if (names.length === 0) return undefined;
        return named((name) => encode(EDS, name, table.assignments.get(name) ?? emptyAssignment(name)));
      case RDS:
        if (names.length === 0) return undefined;
        return named((name) => encode(RDS, name, routeConfiguration(name)));
      case VHDS:
        if (first) return { resources: [], removed: ['outbound/-'] };
        return names.length === 0 ? undefined : named(byHost);
      default:
        return undefined;
    }
  };

  const server = new grpc.Server();
  const method = {
    path: GRPC_PATHS.delta,
    requestStream: true,
    responseStream: true,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  } as const;
  server.addService(
    { delta: method },
    {
      delta: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        const seen = new Set<string>();
        let nonce = 0;
        call.on('error', () => undefined);
        call.on('data', (bytes: Buffer) => {
          const request = decodeDeltaRequest(bytes);
          const { typeUrl, subscribe } = request;
          if (request.errorDetail !== undefined) refusals.push(request.errorDetail.message);
          if (subscribe.length > 0) asked.set(typeUrl, [...(asked.get(typeUrl) ?? []), ...subscribe]);
          const first = !seen.has(typeUrl);
          seen.add(typeUrl);
          const made = answer(typeUrl, subscribe, first);
          if (made === undefined) return;
          nonce += 1;
          call.write(Buffer.from(composeDeltaResponse({ typeUrl, nonce: String(nonce), ...made })));
        });
        call.on('end', () => call.end());
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, refusals, asked, close: () => server.forceShutdown() };
}
