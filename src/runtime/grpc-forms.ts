/**
 * The gRPC forms of resources in use, made from the Envoy form at its first use and kept by its version: the streams of one process
 * share them. An endpoint change costs a mesh without gRPC clients nothing.
 */
import { type GrpcCluster, grpcAssignment, grpcCluster, grpcRoutes } from '../compile/index.ts';
import type { ResourceBody } from '../delta-xds/index.ts';

/** Bounds of the memo; at the bound the form used longest ago is made anew when it is asked for again. */
const MAX_FORMS = 20_000;
const MAX_BYTES = 32 * 2 ** 20;

const make = {
  rds: grpcRoutes,
  cds: (_name: string, body: Uint8Array): GrpcCluster => grpcCluster(body),
  eds: (_name: string, body: Uint8Array): ResourceBody => grpcAssignment(body),
};

export class GrpcForms {
  readonly #maxBytes: number;
  /** In order of use. */
  readonly #forms = new Map<string, ResourceBody>();
  #bytes = 0;

  constructor(maxBytes: number = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of bodies kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `from`: a virtual host for `rds`, a cluster, an assignment. The same object again while `from` has the same version. */
  of(type: keyof typeof make, name: string, from: ResourceBody): ResourceBody {
    const key = `${type}|${from.version}|${name}`;
    const known = this.#forms.get(key);
    if (known !== undefined) {
      this.#forms.delete(key);
      this.#forms.set(key, known);
      return known;
    }
    const made = make[type](name, from.body);
    this.#forms.set(key, made);
    this.#bytes += made.body.length;
    for (const [oldest, { body }] of this.#forms) {
      if (this.#forms.size <= MAX_FORMS && this.#bytes <= this.#maxBytes) break;
      this.#forms.delete(oldest);
      this.#bytes -= body.length;
    }
    return made;
  }
}
