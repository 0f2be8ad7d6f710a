/**
 * The books of renewals in the model check: what the server may know of the node, and that each listener and each renewal keeps to it
 * (R2 to R4, S13 to S15). Also what stands between a question and the log: edges expire, and come back when they are proved again.
 */
import assert from 'node:assert/strict';
import type { SendEffect } from '../../../src/delta-xds/effect.ts';
import { DEFAULT_SESSION_LIMITS, type SessionLimits } from '../../../src/delta-xds/index.ts';
import { RenewalMemory } from '../../../src/delta-xds/renewal-memory.ts';
import { generationOf } from '../../../src/model/index.ts';
import type { MemoryMesh } from './memory-mesh.ts';
import { CALLER } from './model-ops.ts';
import type { SimEnvoy } from './sim-envoy.ts';

/** As metadata `drainTimeMs` says it. */
export const DRAIN_MS = 1_000;
const EVERY_MS = 300;

/**
 * Responses are not split: what a domain's loser held before this stream is not known when it has changed since, so a winner may come in
 * a response of its own then, which the client refuses once.
 */
export const RENEWAL_LIMITS: SessionLimits = {
  ...DEFAULT_SESSION_LIMITS,
  renewalStale: 1,
  renewalPercent: 25,
  renewalEveryMs: EVERY_MS,
};

/** Generation that a listener of the memory mesh names. */
const generationIn = (version: string): number => Number(/~([0-9]+)$/.exec(version)?.[1] ?? 0);

export class Renewals {
  readonly #mesh: MemoryMesh;
  readonly #envoy: SimEnvoy;
  memory = new RenewalMemory();
  longest: number | undefined = 0;
  /** Proved by asking, not in the log yet. */
  #proved: string[] = [];
  /** The latest generation that a listener was sent for on this stream, or that the client was in when it began. */
  #latest = 0;
  /** Time of the last renewal that this replica has made. */
  #at: number | undefined;
  /** Renewals seen. */
  count = 0;

  constructor(mesh: MemoryMesh, envoy: SimEnvoy) {
    this.#mesh = mesh;
    this.#envoy = envoy;
    mesh.renewable = true;
    envoy.follows = true;
  }

  get #current(): number {
    return generationOf(this.#envoy.routesInUse) ?? 0;
  }

  begin(): void {
    this.#latest = this.#current;
  }

  replica(): void {
    this.memory = new RenewalMemory();
    this.#at = undefined;
  }

  /** `heard`: route configurations that the server knows to be in use. */
  sent({ type, resources }: SendEffect, now: number, heard: ReadonlySet<string>): void {
    const listener = type === 'lds' ? resources.find(({ name }) => name === 'outbound') : undefined;
    if (listener === undefined) return;
    const generation = generationIn(listener.version);
    assert.ok(generation >= this.#current, `S13: a listener goes back from ${this.#current} to ${generation}`);
    if (generation <= this.#latest) {
      this.#latest = generation;
      return;
    }
    this.count++;
    assert.equal(generation, this.#latest + 1, 'a renewal leaves out a generation');
    const older = [...heard].filter((name) => (generationOf(name) ?? generation) < this.#latest);
    assert.deepEqual(older, [], 'R3: an earlier generation is held still');
    assert.ok(this.#at === undefined || now >= this.#at + EVERY_MS, `R2: renewed at ${this.#at} and ${now}`);
    assert.ok(this.longest !== undefined && this.longest <= DRAIN_MS, `R4: a stream is ${this.longest} ms old`);
    this.#latest = generation;
    this.#at = now;
  }

  /** An edge has not been used for long. */
  expire(servicePort: string): void {
    const preload = this.#mesh.preloads.get(CALLER) ?? [];
    const expired = this.#mesh.expired.get(CALLER) ?? [];
    if (expired.includes(servicePort)) return;
    this.#mesh.preloads.set(
      CALLER,
      preload.filter((name) => name !== servicePort),
    );
    this.#set([...expired, servicePort]);
  }

  proved(servicePort: string): void {
    this.#proved.push(servicePort);
  }

  /** What was proved comes into the log, and with it into the caller's record; false: there was nothing. */
  learn(): boolean {
    const proved = this.#proved;
    this.#proved = [];
    if (proved.length === 0) return false;
    const preload = this.#mesh.preloads.get(CALLER) ?? [];
    this.#mesh.preloads.set(CALLER, [...new Set([...preload, ...proved])].sort());
    this.#set((this.#mesh.expired.get(CALLER) ?? []).filter((name) => !proved.includes(name)));
    return true;
  }

  /** Documents now bring these: an edge among them is not expired. */
  declared(servicePorts: readonly string[]): void {
    this.#set((this.#mesh.expired.get(CALLER) ?? []).filter((name) => !servicePorts.includes(name)));
  }

  #set(expired: readonly string[]): void {
    this.#mesh.expired.set(CALLER, expired);
    this.#mesh.changed(`caller|${CALLER}`);
  }

  /** Service ports that the client asked for under its generation and whose edges have expired. */
  stale(resolve: (host: string) => string | undefined): string[] {
    const expired = this.#mesh.expired.get(CALLER) ?? [];
    const rc = this.#envoy.routesInUse;
    const asked = [...this.#envoy.askedHosts].filter((name) => name.startsWith(`${rc}/`));
    const ports = asked.flatMap((name) => resolve(name.slice(rc.length + 1)) ?? []);
    return expired.filter((port) => ports.includes(port) && this.#envoy.hosts.has(`${rc}/${port}`));
  }
}
