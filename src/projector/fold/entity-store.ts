/**
 * Entities as bytes: what a drain gives to the storage, and back at start. Canonical JSON, endpoints packed (endpoint-codec).
 * Each entity that changed is encoded once per drain, however many events changed it.
 */
import { EdgeList } from '../../dependency-graph/index.ts';
import { canonicalJson, TendrilError } from '../../model/index.ts';
import { byteWriter as writer } from './byte-writer.ts';
import { type CallerEdges, storedEdges } from './edge-entity.ts';
import { Block } from './endpoint-block.ts';
import { endpointChanges } from './endpoint-changes.ts';
import { EndpointShards } from './endpoint-shards.ts';
import { type KeeperEntity, MESH_KEY, type MeshEntity, type MeshState, type ReplicaEntity } from './mesh-state.ts';
import { decodeRaw, encodeRaw, type RawSetEntity } from './raw-entity.ts';
import type { ServiceEntity } from './service-entity.ts';
import type { Table } from './table.ts';
import type { EndpointChange, FoldChanges, LeaseView, PolicyEntity } from './types.ts';

type Entities = Map<string, Uint8Array | undefined>;

const decoder = new TextDecoder('utf-8', { fatal: true });

const encode = (value: object): Uint8Array => {
  const text = canonicalJson(value);
  writer.start();
  writer.reserve(text.length * 3);
  writer.raw(text);
  return writer.finish();
};

const parse = (bytes: Uint8Array): object => {
  const value: unknown = JSON.parse(decoder.decode(bytes));
  if (typeof value !== 'object' || value === null) throw new RangeError('an object is due');
  return value;
};

/** Services whose endpoints are kept as plain objects; those of all others are packed until they change. */
const MAX_PLAIN = 16_384;

const blockKey = (service: string, number: number): string => `eps/${service}/${number}`;

export class EntityStore {
  private readonly state: MeshState;
  /** Services of one block that are kept as plain objects, the one longest without a change first. */
  private readonly plain = new Set<string>();
  /** Blocks of large services that were decoded at the last drain: the compiler reads them until the next one. */
  private warm: readonly Block[] = [];

  constructor(state: MeshState) {
    this.state = state;
  }

  /** Bytes of every entity that changed since the last drain; undefined: it is gone. */
  drain(): Omit<FoldChanges, 'idempotency'> {
    const { state } = this;
    const entities: Entities = new Map();
    const endpoints = new Map<string, EndpointChange>();
    const inputs = state.changes.drain();
    const encodeAll = <V extends object>(
      table: Table<V>,
      keyOf: (key: string) => string,
      bytesOf: (value: V) => Uint8Array = encode,
    ): void => {
      for (const { key, after } of table.drain())
        entities.set(keyOf(key), after === undefined ? undefined : bytesOf(after));
    };
    encodeAll(state.mesh, () => MESH_KEY);
    encodeAll(state.services, (name) => `svc/${name}`);
    encodeAll(state.policies, (key) => `pol/${key}`);
    encodeAll(
      state.edges,
      (caller) => `edges/${caller}`,
      (list) => encode(storedEdges(list)),
    );
    encodeAll(state.keepers, (name) => `keeper/${name}`);
    encodeAll(state.replicas, (id) => `replica/${id}`);
    encodeAll(state.leases, (key) => `lease/${key}`);
    encodeAll(state.raw, (key) => `raw/${key}`, encodeRaw);
    encodeAll(state.rawSets, (key) => `rawset/${key}`);
    const warm: Block[] = [];
    for (const { key, before, after } of state.endpoints.drain()) {
      drainShards(key, before, after, entities, warm);
      if (endpointChanges(key, before, after, endpoints)) inputs.add(`eps:${key}`);
      this.plain.delete(key);
      if (after?.isLarge === false) this.plain.add(key);
    }
    const keep = new Set(warm);
    for (const block of this.warm) if (!keep.has(block)) block.pack();
    this.warm = warm;
    this.packOldest();
    return { entities, inputs, endpoints };
  }

  private packOldest(): void {
    let surplus = this.plain.size - MAX_PLAIN;
    for (const key of this.plain) {
      if (surplus <= 0) return;
      surplus -= 1;
      this.plain.delete(key);
      for (const block of this.state.endpoints.get(key)?.blocks ?? []) block.pack();
    }
  }

  /** Puts one stored entity in place. */
  load(key: string, bytes: Uint8Array): void {
    try {
      this.place(key, bytes);
    } catch (error) {
      throw new TendrilError('STATE_UNREADABLE', `entity ${key} cannot be read: ${String(error)}`, {
        remedy: 'the state is rebuilt from the log',
        cause: error,
      });
    }
  }

  private place(key: string, bytes: Uint8Array): void {
    const { state } = this;
    const slash = key.indexOf('/');
    const name = key.slice(slash + 1);
    switch (slash < 0 ? key : key.slice(0, slash)) {
      case MESH_KEY:
        state.mesh.load(MESH_KEY, parse(bytes) as MeshEntity);
        break;
      case 'svc':
        state.services.load(name, parse(bytes) as ServiceEntity);
        break;
      case 'pol':
        state.policies.load(name, parse(bytes) as PolicyEntity);
        break;
      case 'edges':
        state.edges.load(name, EdgeList.of((parse(bytes) as CallerEdges).edges, state.edgeTexts));
        break;
      case 'keeper':
        state.keepers.load(name, parse(bytes) as KeeperEntity);
        break;
      case 'replica':
        state.replicas.load(name, parse(bytes) as ReplicaEntity);
        break;
      case 'lease':
        state.leases.load(name, parse(bytes) as LeaseView);
        break;
      case 'raw':
        state.raw.load(name, decodeRaw(bytes));
        break;
      case 'rawset':
        state.rawSets.load(name, parse(bytes) as RawSetEntity);
        break;
      case 'eps':
        this.placeBlock(name, bytes);
        break;
      default:
        throw new RangeError('unknown kind of entity');
    }
  }

  private placeBlock(name: string, bytes: Uint8Array): void {
    const { endpoints } = this.state;
    const slash = name.lastIndexOf('/');
    const number = Number(name.slice(slash + 1));
    if (slash < 0 || !Number.isSafeInteger(number)) throw new RangeError('not the key of a block');
    const service = name.slice(0, slash);
    const block = Block.packed(number, Uint8Array.prototype.slice.call(bytes));
    endpoints.load(service, EndpointShards.of([...(endpoints.get(service)?.blocks ?? []), block]));
  }
}

/** Encodes blocks that are new, names those that are gone, and decides in which form each is kept. */
const drainShards = (
  service: string,
  before: EndpointShards | undefined,
  after: EndpointShards | undefined,
  entities: Entities,
  warm: Block[],
): void => {
  const isLarge = after?.isLarge === true;
  const [only] = after?.blocks ?? [];
  const [known] = before?.blocks ?? [];
  // One block before and after: nearly all services.
  if (
    only !== undefined &&
    !isLarge &&
    before?.isLarge !== true &&
    (known === undefined || known.number === only.number)
  ) {
    if (known !== only) entities.set(blockKey(service, only.number), only.bytes(known));
    return;
  }
  const old = new Map<number, Block>();
  for (const block of before?.blocks ?? []) old.set(block.number, block);
  for (const block of after?.blocks ?? []) {
    const same = old.get(block.number);
    old.delete(block.number);
    if (same !== block) entities.set(blockKey(service, block.number), block.bytes(same));
    if (!isLarge || !block.isDecoded) continue;
    if (same === block) block.pack();
    else warm.push(block);
  }
  for (const number of old.keys()) entities.set(blockKey(service, number), undefined);
};
