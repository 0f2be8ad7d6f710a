/** The requests of a lease over HTTP, and what their answers mean to it (docs/leases.md). */
import { TendrilError } from '../../model/basics.ts';
import type { AdminAnswer, AdminApi } from './admin-api.ts';
import type { Health, LeaseAnswer, LeaseEffect } from './lease.ts';
import type { FullOptions } from './options.ts';

/** The withdrawal is answered when every stream sees it; the control plane waits at most so long. */
const WITHDRAW_WAIT_S = 5;

const number = (value: unknown): number | undefined => (typeof value === 'number' && value > 0 ? value : undefined);

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** What an answer says. Statuses below 500 that are not 429 only: the others are no answers (admin-api.ts). */
const readAnswer = ({ status, body }: AdminAnswer): LeaseAnswer => {
  const code = text(body.code) ?? `HTTP_${status}`;
  const message = text(body.detail) ?? text(body.title) ?? `the control plane answered ${status}`;
  if (status < 300) {
    const lease =
      typeof body.lease === 'object' && body.lease !== null ? (body.lease as Record<string, unknown>) : body;
    const ttlMs = number(lease.ttlMs);
    const offset = Array.isArray(body.offsets) ? number(body.offsets[0]) : number(body.offset);
    return { is: 'ok', ...(ttlMs === undefined ? {} : { ttlMs }), ...(offset === undefined ? {} : { offset }) };
  }
  if (code === 'LEASE_TAKEN')
    return { is: 'taken', holder: text(body.holder) ?? /held by "([^"]+)"/.exec(message)?.[1] ?? message };
  if (code === 'LEASE_UNKNOWN' || code === 'ENDPOINT_UNKNOWN') return { is: 'unknown' };
  return { is: 'refused', code, message };
};

export class LeaseRequests {
  readonly #api: AdminApi;
  readonly #options: FullOptions;
  readonly #holder: string;
  readonly #path: string;
  #address: string | undefined;

  constructor(api: AdminApi, options: FullOptions, holder: string) {
    this.#api = api;
    this.#options = options;
    this.#holder = holder;
    this.#address = options.address;
    this.#path = `/v1/services/${options.namespace}/${options.service}/endpoints/${encodeURIComponent(options.endpoint)}`;
  }

  /** Undefined: not known before the control plane was reached. */
  get address(): string | undefined {
    return this.#address;
  }

  /**
   * Why nobody can call what was registered; undefined: nothing is known to be wrong. Never rejects.
   * @param before what was known, which stays where nobody answers
   */
  async obstacle(before: string | undefined): Promise<string | undefined> {
    const { service, namespace, servicePorts } = this.#options;
    const name = `${service}.${namespace}`;
    try {
      const { status, body } = await this.#api.request({
        method: 'GET',
        path: `/v1/services/${namespace}/${service}?limit=1`,
      });
      if (status === 404) return `${name} is not a registered service: nobody can call this endpoint until it is`;
      if (status !== 200 || !Array.isArray(body.ports)) return before;
      const known = new Set((body.ports as readonly { readonly port?: unknown }[]).map(({ port }) => Number(port)));
      const missing = servicePorts.filter((port) => !known.has(port));
      return missing.length === 0
        ? undefined
        : `${name} has no port ${missing.join(', ')} (but ${[...known].join(', ')}): nobody can call it there`;
    } catch {
      return before;
    }
  }

  /** Never rejects. */
  async run(effect: Exclude<LeaseEffect, { is: 'gone' }>): Promise<LeaseAnswer> {
    try {
      switch (effect.is) {
        case 'put':
          return readAnswer(await this.#put(effect.health));
        case 'beat':
          return readAnswer(
            await this.#api.request({
              method: 'POST',
              path: `${this.#path}:heartbeat`,
              body: { holder: this.#holder, ...(effect.health === undefined ? {} : { health: effect.health }) },
            }),
          );
        case 'remove':
          return readAnswer(
            await this.#api.request({
              method: 'DELETE',
              path: `${this.#path}?holder=${encodeURIComponent(this.#holder)}&wait=applied&timeout=${WITHDRAW_WAIT_S}s`,
              timeoutMs: (WITHDRAW_WAIT_S + 2) * 1_000,
            }),
          );
      }
    } catch (error) {
      const known = error instanceof TendrilError ? error : undefined;
      return { is: 'away', code: known?.code ?? 'SERVER_UNREACHABLE', message: known?.message ?? String(error) };
    }
  }

  async #put(health: Health): Promise<AdminAnswer> {
    this.#address ??= await this.#api.localAddress();
    return this.#api.request({
      method: 'PUT',
      path: `${this.#path}?lease=${this.#options.leaseMs}ms&holder=${encodeURIComponent(this.#holder)}`,
      body: { ...this.#options.fields, address: this.#address, health },
    });
  }
}
