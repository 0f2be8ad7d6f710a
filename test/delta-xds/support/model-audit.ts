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
  /** `<type> <name> <version>` known to be what the client cannot take, on this stream -> name and version of what was refused with it. */
  readonly #parked = new Map<string, ReadonlyMap<string, string>>();
  /** How often of those that were refused came again because of a virtual host that the client had brought. */
  readonly #tries = new Map<string, number>();
  /** Virtual hosts that the client brought to the stream, as they were then; and those of them that have changed since. */
  #brought = new Map<string, string>();
  readonly #changed = new Set<string>();
  #domains = new Map<string, readonly string[]>();
  /** Domains that a virtual host of the client has given up on this stream. */
  readonly #givenUp = new Set<string>();
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
    this.#tries.clear();
    this.#changed.clear();
    this.#givenUp.clear();
    this.#brought = new Map([...envoy.hosts].map(([name, { version }]) => [name, version]));
    this.#domains = new Map([...envoy.hosts].map(([name, { domains }]) => [name, domains]));
  }

  rejected({ type, items, final }: RejectedEffect): void {
    if (!final) return;
    for (const { name, version, shape } of items) {
      if (shape === undefined || shape === GONE) continue;
      const others = type === 'vhds' ? items.filter((item) => item.name !== name && item.shape !== undefined) : [];
      this.#parked.set(`${type} ${name} ${version}`, new Map(others.map((item) => [item.name, item.version])));
    }
  }

  /**
   * A virtual host, when one that was refused with it is another one now, when a domain of it was given up, or once for each virtual host
   * that the client brought and that has changed: the server may not know its domains.
   */
  #mayComeAgain(key: string, domains: readonly string[], { type, resources, removed }: SendEffect): boolean {
    const mates = this.#parked.get(key);
    if (mates === undefined) return true;
    if (type !== 'vhds') return false;
    this.#parked.delete(key);
    const now = new Map(resources.map(({ name, version }) => [name, version]));
    for (const name of removed) now.set(name, '');
    if ([...mates].some(([name, version]) => now.get(name) !== version)) return true;
    if (domains.some((domain) => this.#givenUp.has(domain))) return true;
    const tries = (this.#tries.get(key) ?? 0) + 1;
    this.#tries.set(key, tries);
    return tries <= this.#changed.size;
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
  sent(effect: SendEffect, calm: boolean): void {
    const { type, resources, removed } = effect;
    const behind = this.#clusters;
    this.#clusters = new Set(type === 'cds' ? resources.map(({ name }) => name) : []);
    for (const { name, version, body, domains } of resources) {
      const key = `${type} ${name}`;
      if (body === undefined) continue;
      const mayCome = this.#mayComeAgain(`${key} ${version}`, domains, effect);
      assert.ok(mayCome, `S7: ${key}@${version} is sent again, refused`);
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
    for (const [name, before] of this.#domains) {
      const now = envoy.hosts.get(name);
      for (const domain of before) if (now?.domains.includes(domain) !== true) this.#givenUp.add(domain);
      if (this.#brought.has(name) && this.#brought.get(name) !== now?.version) this.#changed.add(name);
    }
    this.#domains = new Map([...envoy.hosts].map(([name, { domains }]) => [name, domains]));
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
