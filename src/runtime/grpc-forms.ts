/**
 * The gRPC forms of resources in use, made from the Envoy form at its first use and kept by its version: the streams of one process
 * share them. An endpoint change costs a mesh without gRPC clients nothing.
 */
import { type GrpcCluster, grpcAssignment, grpcCluster, grpcRoutes } from '../compile/index.ts';
import type { ResourceBody } from '../delta-xds/index.ts';
import { RecordCache } from '../projector/index.ts';

/** Bounds of the memo; at the bound a form that was not used for long is made anew when it is asked for again. */
const MAX_FORMS = 20_000;
const MAX_BYTES = 32 * 2 ** 20;

const make = {
  rds: grpcRoutes,
  cds: (_name: string, body: Uint8Array): GrpcCluster => grpcCluster(body),
  eds: (_name: string, body: Uint8Array): ResourceBody => grpcAssignment(body),
};

export class GrpcForms {
  readonly #forms: RecordCache<ResourceBody>;

  constructor(maxBytes: number = MAX_BYTES) {
    this.#forms = new RecordCache(MAX_FORMS, maxBytes);
  }

  /** Bytes of bodies kept. */
  get bytes(): number {
    return this.#forms.weight;
  }

  /** `from`: a virtual host for `rds`, a cluster, an assignment. The same object again while `from` has the same version. */
  of(type: keyof typeof make, name: string, from: ResourceBody): ResourceBody | undefined {
    return this.#forms.get(
      `${type}|${from.version}|${name}`,
      () => make[type](name, from.body),
      ({ body }) => body.length,
    );
  }
}
