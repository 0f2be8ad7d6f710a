/**
 * A state-of-the-world client, as far as the wire shows it (xds_protocol.rst; gRPC A46).
 *
 * - Each request lists all names of its type, with the nonce of the last response of the type and the last version taken.
 * - A CDS or LDS response is the whole state: what is missing in it is gone. Of other types absence says nothing.
 * - A refused response changes nothing (Envoy), or its good part is taken (gRPC).
 * - A changed EDS cluster warms until its assignment comes, when that is subscribed.
 */
import type { SendEffect } from '../../../src/delta-xds/effect.ts';
import { typeUrlOf } from '../../../src/delta-xds/resource-type.ts';
import type { ProtoNode, StateRequest } from '../../../src/proto/index.ts';
import { decodeCluster } from '../../../src/sidecar-client/decode.ts';

export const STATE_TYPES = ['cds', 'eds', 'lds', 'sds'] as const;
export type StateType = (typeof STATE_TYPES)[number];

export const isStateType = (type: string): type is StateType => (STATE_TYPES as readonly string[]).includes(type);
export const isFull = (type: StateType): boolean => type === 'cds' || type === 'lds';

interface Watch {
  /** Empty, and of a full type never named before: everything. */
  names: ReadonlySet<string>;
  named: boolean;
  opened: boolean;
  versionInfo: string;
  nonce: string;
  /** Name -> version. */
  readonly held: Map<string, string>;
}

export class SimStateClient {
  readonly watches: Readonly<Record<StateType, Watch>>;
  /** `<type> <version>` that it cannot take. */
  readonly refuses = new Set<string>();
  /** Everything it ever refused. */
  readonly refusals: string[] = [];
  readonly warming = new Set<string>();
  outbox: StateRequest[] = [];
  readonly #node: ProtoNode;
  readonly #partial: boolean;
  #nodeSent = false;

  /** `partial`: the good part of a refused response is taken. */
  constructor(node: ProtoNode, partial: boolean) {
    this.#node = node;
    this.#partial = partial;
    const watch = (): Watch => ({
      names: new Set(),
      named: false,
      opened: false,
      versionInfo: '',
      nonce: '',
      held: new Map(),
    });
    this.watches = { cds: watch(), eds: watch(), lds: watch(), sds: watch() };
  }

  isWildcard(type: StateType): boolean {
    const { names, named, opened } = this.watches[type];
    return opened && isFull(type) && !named && names.size === 0;
  }

  /** From now on these names; an empty first list of a full type is the wildcard. */
  want(type: StateType, names: readonly string[]): void {
    const watch = this.watches[type];
    watch.names = new Set(names);
    watch.named ||= names.length > 0;
    watch.opened = true;
    if (watch.named) for (const name of [...watch.held.keys()]) if (!watch.names.has(name)) this.#drop(type, name);
    this.#say(type);
  }

  /** A new stream: every type of which something is wanted is asked for again. */
  connect(): void {
    this.outbox = [];
    this.#nodeSent = false;
    // Nobody can know that it waits; it goes on after `initial_fetch_timeout`.
    this.warming.clear();
    for (const type of STATE_TYPES) {
      const watch = this.watches[type];
      watch.nonce = '';
      if (watch.named && watch.names.size === 0) {
        // Nothing is wanted of it, nothing held: on a new stream an empty list would be the wildcard.
        watch.opened = false;
        watch.versionInfo = '';
      }
      watch.named = watch.names.size > 0;
      if (watch.opened) this.#say(type);
    }
  }

  receive({ type, nonce, versionInfo = '', resources }: SendEffect): void {
    if (!isStateType(type)) throw new Error(`a response of type ${type} was not asked for`);
    const watch = this.watches[type];
    watch.nonce = nonce;
    const bad = resources.filter(({ version }) => this.refuses.has(`${type} ${version}`));
    const wanted = (name: string): boolean => this.isWildcard(type) || watch.names.has(name);
    if (bad.length === 0 || this.#partial) {
      for (const resource of resources) {
        const { name, version, body } = resource;
        if (!wanted(name) || bad.includes(resource)) continue;
        if (type === 'cds' && body !== undefined && watch.held.get(name) !== version) this.#warm(body);
        if (type === 'eds') this.warming.delete(name);
        watch.held.set(name, version);
      }
      const names = new Set(resources.map(({ name }) => name));
      if (isFull(type)) for (const name of [...watch.held.keys()]) if (!names.has(name)) this.#drop(type, name);
    }
    if (bad.length === 0) {
      watch.versionInfo = versionInfo;
      this.#say(type);
      return;
    }
    const message = `cannot take ${bad.map(({ name, version }) => `${name}@${version}`).join(' ')}`;
    this.refusals.push(`${type}: ${message}`);
    this.#say(type, { code: 13, message });
  }

  #warm(body: Uint8Array): void {
    const { eds } = decodeCluster(body);
    if (eds !== undefined && this.watches.eds.names.has(eds)) this.warming.add(eds);
  }

  #drop(type: StateType, name: string): void {
    this.watches[type].held.delete(name);
    if (type === 'cds' || type === 'eds') this.warming.delete(name);
  }

  #say(type: StateType, errorDetail?: StateRequest['errorDetail']): void {
    const { names, versionInfo, nonce } = this.watches[type];
    const node = this.#nodeSent ? {} : { node: this.#node };
    this.#nodeSent = true;
    this.outbox.push({
      ...node,
      typeUrl: typeUrlOf(type),
      names: [...names],
      versionInfo,
      responseNonce: nonce,
      ...(errorDetail === undefined ? {} : { errorDetail }),
    });
  }
}
