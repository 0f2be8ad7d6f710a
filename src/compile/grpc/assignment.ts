/**
 * The load assignment of a gRPC client, made from the bytes of the Envoy form by hand: an endpoint change of a large service
 * comes often. What both clients refuse or misread is mended:
 *
 * - every locality has a `locality` message (grpc-js refuses it absent) and a weight of at least 1 (a locality without is dropped
 *   in silence): the sum of its usable endpoints' weights, so that a zone whose endpoints are ill gets less;
 * - no locality twice in a priority, priorities from 0 without a gap;
 * - addresses are IP literals, none twice (the first stays); endpoints of weight 0 are left out (grpc-go refuses them);
 * - no sum of weights above 2^32-1.
 *
 * A service without endpoints is an assignment without localities: calls fail at once.
 *
 * Field numbers: ClusterLoadAssignment {cluster_name 1, endpoints 2}, LocalityLbEndpoints {locality 1, lb_endpoints 2,
 * load_balancing_weight 3, priority 5}, LbEndpoint {endpoint 1, health_status 2, load_balancing_weight 4}, Endpoint {address 1},
 * Address {socket_address 1}, SocketAddress {address 2, port_value 3}, UInt32Value {value 1}.
 */
import { isIP } from 'node:net';
import { contentVersion, WireReader } from '../../proto/index.ts';
import type { OwnResource } from '../types.ts';
import { varintLength, writeVarint } from '../wire.ts';

const BYTES = 2;
const FIELD_1 = (1 << 3) | BYTES;
const FIELD_2 = (2 << 3) | BYTES;
const FIELD_3 = (3 << 3) | BYTES;
const FIELD_4 = (4 << 3) | BYTES;
const VALUE_1 = 1 << 3;
const HEALTH = 2 << 3;
const PORT = 3 << 3;
const PRIORITY = 5 << 3;

const MAX_UINT32 = 0xffffffff;
/** UNKNOWN and HEALTHY: what gRPC clients call. */
const isUsable = (health: number): boolean => health <= 1;

interface Endpoint {
  /** Content of the Endpoint message. */
  readonly bytes: Uint8Array;
  readonly health: number;
  /** Undefined: not given, counts as 1. */
  readonly weight: number | undefined;
}

interface Locality {
  readonly bytes: Uint8Array;
  readonly endpoints: Endpoint[];
}

const readValue = (reader: WireReader): number => {
  const outer = reader.enter();
  let value = 0;
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === VALUE_1) value = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return value;
};

/** `<address> <port>`, or undefined when it is no IP address. */
const readAddress = (endpoint: Uint8Array): string | undefined => {
  const reader = new WireReader(endpoint);
  let address = '';
  let port = 0;
  // Endpoint.address and Address.socket_address: both field 1, so one loop goes down to the socket address.
  for (let depth = 0; depth < 2; depth++) {
    let isFound = false;
    while (!isFound && reader.at < reader.end) {
      const tag = reader.tag();
      if (tag === FIELD_1) isFound = true;
      else reader.skip(tag);
    }
    if (!isFound) return undefined;
    reader.enter();
  }
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === FIELD_2) address = reader.text('address');
    else if (tag === PORT) port = reader.varint();
    else reader.skip(tag);
  }
  return isIP(address) === 0 ? undefined : `${address} ${port}`;
};

const readEndpoint = (reader: WireReader, seen: Set<string>): Endpoint | undefined => {
  const outer = reader.enter();
  let bytes: Uint8Array | undefined;
  let health = 0;
  let weight: number | undefined;
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === FIELD_1) bytes = reader.bytes();
    else if (tag === HEALTH) health = reader.varint();
    else if (tag === FIELD_4) weight = readValue(reader);
    else reader.skip(tag);
  }
  reader.leave(outer);
  if (bytes === undefined || weight === 0) return undefined;
  const address = readAddress(bytes);
  if (address === undefined || seen.has(address)) return undefined;
  seen.add(address);
  return { bytes, health, weight };
};

const NO_BYTES = new Uint8Array();

/** Localities by priority, both in the order of the message. */
class Localities {
  readonly #byPriority = new Map<number, Map<string, Locality>>();
  readonly #seen = new Set<string>();

  read(reader: WireReader): void {
    const outer = reader.enter();
    let bytes: Uint8Array = NO_BYTES;
    let priority = 0;
    const endpoints: Endpoint[] = [];
    while (reader.at < reader.end) {
      const tag = reader.tag();
      if (tag === FIELD_1) bytes = reader.bytes();
      else if (tag === FIELD_2) {
        const endpoint = readEndpoint(reader, this.#seen);
        if (endpoint !== undefined) endpoints.push(endpoint);
      } else if (tag === PRIORITY) priority = reader.varint();
      else reader.skip(tag);
    }
    reader.leave(outer);
    if (endpoints.length > 0) this.#add(priority, { bytes, endpoints });
  }

  #add(priority: number, locality: Locality): void {
    const others = this.#byPriority.get(priority) ?? new Map<string, Locality>();
    this.#byPriority.set(priority, others);
    const key = Buffer.from(locality.bytes).toString('latin1');
    const same = others.get(key);
    if (same === undefined) others.set(key, locality);
    else for (const endpoint of locality.endpoints) same.endpoints.push(endpoint);
  }

  /** Lowest priority number first: their places are the new numbers. */
  sorted(): readonly (readonly Locality[])[] {
    return [...this.#byPriority].sort(([a], [b]) => a - b).map(([, localities]) => [...localities.values()]);
  }
}

/** By what the weights of a priority are divided to keep their sum within 32 bits, each of them at least 1. */
const divisor = (localities: readonly Locality[]): number => {
  let sum = 0;
  let count = 0;
  for (const { endpoints } of localities) {
    for (const { weight = 1 } of endpoints) sum += weight;
    count += endpoints.length;
  }
  return sum <= MAX_UINT32 ? 1 : Math.ceil(sum / (MAX_UINT32 - count));
};

interface LocalityPlan {
  readonly locality: Locality;
  readonly priority: number;
  readonly divisor: number;
  readonly weight: number;
  /** Bytes of its content. */
  readonly length: number;
}

const scaled = (weight: number, by: number): number => (by === 1 ? weight : Math.max(1, Math.floor(weight / by)));

const fieldLength = (length: number): number => 1 + varintLength(length) + length;
/** A UInt32Value field. */
const valueLength = (value: number): number => 3 + varintLength(value);

const endpointLength = ({ bytes, health, weight }: Endpoint, by: number): number =>
  fieldLength(bytes.length) +
  (health === 0 ? 0 : 1 + varintLength(health)) +
  (weight === undefined ? 0 : valueLength(scaled(weight, by)));

const plan = (localities: readonly Locality[], priority: number): readonly LocalityPlan[] => {
  const by = divisor(localities);
  return localities.map((locality) => {
    let usable = 0;
    let length = fieldLength(locality.bytes.length) + (priority === 0 ? 0 : 1 + varintLength(priority));
    for (const endpoint of locality.endpoints) {
      if (isUsable(endpoint.health)) usable += scaled(endpoint.weight ?? 1, by);
      length += fieldLength(endpointLength(endpoint, by));
    }
    const weight = Math.max(1, usable);
    return { locality, priority, divisor: by, weight, length: length + valueLength(weight) };
  });
};

const writeBytes = (buffer: Buffer, start: number, tag: number, content: Uint8Array): number => {
  buffer[start] = tag;
  const at = writeVarint(buffer, start + 1, content.length);
  buffer.set(content, at);
  return at + content.length;
};

const writeValue = (buffer: Buffer, start: number, tag: number, value: number): number => {
  buffer[start] = tag;
  buffer[start + 1] = 1 + varintLength(value);
  buffer[start + 2] = VALUE_1;
  return writeVarint(buffer, start + 3, value);
};

const writeEndpoint = (buffer: Buffer, start: number, endpoint: Endpoint, by: number): number => {
  buffer[start] = FIELD_2;
  let at = writeVarint(buffer, start + 1, endpointLength(endpoint, by));
  at = writeBytes(buffer, at, FIELD_1, endpoint.bytes);
  if (endpoint.health !== 0) {
    buffer[at] = HEALTH;
    at = writeVarint(buffer, at + 1, endpoint.health);
  }
  return endpoint.weight === undefined ? at : writeValue(buffer, at, FIELD_4, scaled(endpoint.weight, by));
};

const writeLocality = (buffer: Buffer, start: number, made: LocalityPlan): number => {
  buffer[start] = FIELD_2;
  let at = writeVarint(buffer, start + 1, made.length);
  at = writeBytes(buffer, at, FIELD_1, made.locality.bytes);
  for (const endpoint of made.locality.endpoints) at = writeEndpoint(buffer, at, endpoint, made.divisor);
  at = writeValue(buffer, at, FIELD_3, made.weight);
  if (made.priority === 0) return at;
  buffer[at] = PRIORITY;
  return writeVarint(buffer, at + 1, made.priority);
};

/** `body`: of the Envoy form, as compiled. Throws `XDS_MALFORMED` for bytes that are no load assignment. */
export const grpcAssignment = (body: Uint8Array): OwnResource => {
  const reader = new WireReader(body);
  const localities = new Localities();
  let name: Uint8Array = NO_BYTES;
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === FIELD_1) name = reader.bytes();
    else if (tag === FIELD_2) localities.read(reader);
    else reader.skip(tag);
  }
  const plans = localities.sorted().flatMap(plan);
  let size = fieldLength(name.length);
  for (const { length } of plans) size += fieldLength(length);
  const made = Buffer.allocUnsafe(size);
  let at = writeBytes(made, 0, FIELD_1, name);
  for (const each of plans) at = writeLocality(made, at, each);
  return { version: contentVersion([made]), body: made };
};
