/**
 * The books of the model check: what was asked, what was sent, what the client held. Fails when something is sent that neither changed
 * nor was asked for (S6) or was refused before (S7), when a version goes back at the server or at the client, and when server and client do not agree at rest.
 */
import assert from 'node:assert/strict';
import type { RejectedEffect, SendEffect } from '../../../src/delta-xds/effect.ts';
import type { HeldResource } from '../../../src/delta-xds/index.ts';
import { typeOf } from '../../../src/delta-xds/resource-type.ts';
import { GONE } from '../../../src/delta-xds/shapes.ts';
import type { DeltaRequest } from '../../../src/proto/index.ts';
import type { SimEnvoy, Type } from './sim-envoy.ts';

/** Versions end in a number that grows with every change of the mesh; others (`empty`, `rc`, negative ones) have none. */
const numberOf = (version: string): number => Number(/^[a-z]-([0-9]+)$/.exec(version)?.[1] ?? -1);

type Versions = ReadonlyMap<string, string>;

const heldBy = (envoy: SimEnvoy): Readonly<Record<Type, Versions>> => {
  const versionsOf = (table: ReadonlyMap<string, { readonly version: string }>): Versions =>
    new Map([...table].map(([name, { version }]) => [name, version]));
  return {
    cds: versionsOf(envoy.clusters),
    eds: envoy.assignments,
    lds: envoy.listeners,
    rds: envoy.routes,
    vhds: versionsOf(envoy.hosts),
  };
};

export class Audit {
  /** `<type> <name>` -> version, once everything sent is taken. */
  #onItsWay = new Map<string, string>();
  /** `<type> <name>` asked for -> how often it may be sent for that. */
  #asked = new Map<string, number>();
  readonly #opened = new Set<string>();
  /**
   * Assignments that the client holds and the server has not heard of: each may come once beside its virtual host, or because the client
   * keeps its clusters back.
   */
  #unheard = new Set<string>();
  /** Clusters of the response just sent: their assignments follow. */
  #clusters: ReadonlySet<string> = new Set();
  /** `<type> <name> <version>` known to be what the client cannot take, on this stream. */
  readonly #parked = new Set<string>();
  readonly #newestSent = new Map<string, number>();
  readonly #newestHeld = new Map<string, number>();

  /** A stream begins: what the client holds is what it will name. */
  begin(envoy: SimEnvoy): void {
    this.#onItsWay = new Map();
    for (const [type, versions] of Object.entries(heldBy(envoy)))
      for (const [name, version] of versions) this.#onItsWay.set(`${type} ${name}`, version);
    this.#asked = new Map();
    this.#opened.clear();
    this.#unheard = new Set(envoy.assignments.keys());
    this.#clusters = new Set();
    this.#parked.clear();
  }

  rejected({ type, items, final }: RejectedEffect): void {
    if (!final) return;
    for (const { name, version, shape } of items)
      if (shape !== undefined && shape !== GONE) this.#parked.add(`${type} ${name} ${version}`);
  }

  /** `behindAcks`: ACKs that waited are taken just before it, and may open the gate for what it asks for too. */
  asked({ typeUrl, subscribe, unsubscribe, initialResourceVersions }: DeltaRequest, behindAcks: boolean): void {
    const type = typeOf(typeUrl);
    const first = !this.#opened.has(type);
    this.#opened.add(type);
    if (type === 'eds' && this.#opened.has('cds')) this.#unheard.clear();
    // The client has let go of it, and of what was on its way to it: a cluster that comes back brings it once more.
    if (type === 'eds') for (const name of unsubscribe) this.#onItsWay.delete(`eds ${name}`);
    for (const name of subscribe)
      if (!first || !initialResourceVersions.has(name)) this.#asked.set(`${type} ${name}`, behindAcks ? 2 : 1);
  }

  #answers(key: string): boolean {
    const left = this.#asked.get(key) ?? 0;
    if (left <= 1) this.#asked.delete(key);
    else this.#asked.set(key, left - 1);
    return left > 0;
  }

  /** `calm`: the client refuses nothing, so nothing needs to be sent again in parts. */
  sent({ type, resources, removed }: SendEffect, calm: boolean): void {
    const behind = this.#clusters;
    this.#clusters = new Set(type === 'cds' ? resources.map(({ name }) => name) : []);
    for (const { name, version, body } of resources) {
      const key = `${type} ${name}`;
      if (body === undefined) continue;
      assert.ok(!this.#parked.has(`${key} ${version}`), `S7: ${key}@${version} is sent again, refused`);
      const number = numberOf(version);
      if (number >= 0) {
        assert.ok(number >= (this.#newestSent.get(key) ?? 0), `${key}: version goes back to ${version}`);
        this.#newestSent.set(key, number);
      }
      // Virtual hosts answer questions of other names, and go along with those that take a domain from them (S8).
      const goesAlong = type === 'eds' && (behind.has(name) || this.#unheard.delete(name));
      if (calm && type !== 'vhds' && !this.#answers(key) && !goesAlong)
        assert.notEqual(this.#onItsWay.get(key), version, `S6: ${key}@${version} is sent again, unasked`);
      this.#onItsWay.set(key, version);
    }
    for (const name of removed) this.#onItsWay.delete(`${type} ${name}`);
  }

  /** The client has taken or refused a response. */
  held(envoy: SimEnvoy): void {
    for (const [type, versions] of Object.entries(heldBy(envoy)))
      for (const [name, version] of versions) {
        const key = `${type} ${name}`;
        const number = numberOf(version);
        if (number < 0) continue;
        assert.ok(number >= (this.#newestHeld.get(key) ?? 0), `${key}: the client's version goes back to ${version}`);
        this.#newestHeld.set(key, number);
      }
  }

  /** At rest the server believes of the client what is true. */
  agree(resources: readonly HeldResource[], envoy: SimEnvoy): void {
    const believed: Record<string, [string, string][]> = { cds: [], eds: [], lds: [], rds: [], vhds: [] };
    for (const { type, name, version } of resources) believed[type]?.push([name, version]);
    for (const [type, versions] of Object.entries(heldBy(envoy)))
      assert.deepEqual(new Map(believed[type]?.sort()), new Map([...versions].sort()), `server and client, ${type}`);
  }
}
