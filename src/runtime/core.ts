/**
 * The core: log, projector, ingest, HTTP API, and the workers' counterpart. One per data directory (the log's lock sees to it).
 *
 * Order of start: disk guard, log, projector (loads or catches up), mesh settings, `--dir`, HTTP, channel. Order of stop: the
 * reverse, so that nothing accepted is left without an answer.
 */
import { chmodSync } from 'node:fs';
import type { Server } from 'node:net';
import { type AdminServer, createAdminServer, graphStreamCounters } from '../admin/index.ts';
import { armedFailpoint } from '../store/index.ts';
import { adminPorts } from './admin-ports.ts';
import { channelPath, listenChannel } from './channel.ts';
import type { HostPort } from './config.ts';
import type { CoreOptions, CoreParts, Opened } from './core-parts.ts';
import { MeshTotalsReader } from './mesh-totals.ts';
import type { ToCore, ToWorker } from './messages.ts';
import { openStorage } from './open-storage.ts';
import { openWriters } from './open-writers.ts';
import { packageVersion } from './package-version.ts';
import { Proxies } from './proxies.ts';
import { requireNotOut } from './replicas/index.ts';
import { Savings } from './savings.ts';

const TICK_MS = 250;
const MEASURE_AFTER_MS = 2_000;
/** How often retention looks whether something is to be done. */
const RETENTION_MS = 10_000;
/** Requests that run may end; a stalled upload must not cost the orderly end of log and state. */
const ADMIN_GRACE_MS = 1_000;
/** For what writers say last; a log that is away may not take it. */
const LAST_WORDS_MS = 700;
/** Long enough for `/healthz` and the log to say why. */
const REPLACE_AFTER_MS = 2_000;
/** Long enough for the answer to whoever asked for it. */
const HEAL_AFTER_MS = 200;

/** `host` may be an IPv6 address. */
const adminUrl = ({ host, port }: HostPort): string => `http://${host.includes(':') ? `[${host}]` : host}:${port}`;

/** Resolves when all have ended, or after `ms`. */
const within = async (ms: number, work: readonly (Promise<unknown> | undefined)[]): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([late, Promise.allSettled(work)]);
  clearTimeout(timer);
};

export class Core {
  readonly #parts: CoreParts;
  readonly #admin: AdminServer;
  readonly #timer: NodeJS.Timeout;
  readonly #pruning: NodeJS.Timeout;
  readonly #replace: (() => void) | undefined;
  readonly #channel: Server | undefined;
  #failing = false;
  readonly address: HostPort;

  private constructor(
    parts: CoreParts,
    admin: AdminServer,
    address: HostPort,
    more: { readonly channel: Server | undefined; readonly replace: (() => void) | undefined },
  ) {
    this.#replace = more.replace;
    this.#channel = more.channel;
    this.#parts = parts;
    this.#admin = admin;
    this.address = address;
    this.#timer = setInterval(() => {
      parts.registry.tick();
      this.#lookForFailure();
    }, TICK_MS);
    this.#pruning = setInterval(() => void parts.projector.retention?.tick(), RETENTION_MS);
  }

  /** Rejects with the `TendrilError` of whatever cannot be opened; what was opened before is closed again. */
  static async start(options: CoreOptions): Promise<Core> {
    const { config, logger } = options;
    const opened: Opened = [];
    try {
      requireNotOut(config.data);
      const failpoint = armedFailpoint();
      if (failpoint !== undefined)
        logger.warn(failpoint, 'TENDRIL_FAILPOINT is set: this process is about to be ended by a test');
      const storage = await openStorage(options, opened);
      const writers = await openWriters(options, storage, opened);
      const { projector, ledger } = storage;
      const { registry } = writers;
      const totals = new MeshTotalsReader(projector);
      const savings = new Savings(registry, totals, () => performance.now());
      // Not at once: a core that starts has more urgent things to do.
      const measuring = setTimeout(() => void totals.measure().catch(() => undefined), MEASURE_AFTER_MS).unref();
      opened.push(() => clearTimeout(measuring));
      const parts: CoreParts = {
        config,
        ...storage,
        ...writers,
        heal:
          options.replace === undefined
            ? undefined
            : () => setTimeout(options.replace ?? (() => undefined), HEAL_AFTER_MS),
        proxies: new Proxies({ registry, ledger, totals, sizes: () => projector.totals(), savings }),
        graphStreams: graphStreamCounters(),
      };
      const admin = createAdminServer(adminPorts(parts), {
        logger,
        version: packageVersion(),
        insecureBind: config.insecureBind,
        graceMs: ADMIN_GRACE_MS,
      });
      opened.push(() => admin.close());
      // Workers first: whoever writes by HTTP may wait for them.
      let channel: Server | undefined;
      if (options.channel !== undefined) registry.accept(options.channel);
      else {
        const path = channelPath(config.data);
        channel = await listenChannel<ToWorker, ToCore>(path, (peer) => registry.accept(peer));
        opened.push(() => channel?.close());
        chmodSync(path, 0o600);
      }
      const address = await admin.listen(config.admin.host, config.admin.port);
      writers.leases.start();
      writers.replicas.start(adminUrl(config.advertise ?? address));
      return new Core(parts, admin, address, { channel, replace: options.replace });
    } catch (error) {
      for (const close of opened.reverse()) await close();
      throw error;
    }
  }

  #lookForFailure(): void {
    const { log, projector, damage, readers } = this.#parts;
    damage.look();
    readers.look();
    if (this.#failing || this.#replace === undefined) return;
    if (log.failure === undefined && projector.condition().state !== 'failed') return;
    // The next core would meet the same damage, and could not even start. This one can be read, and says what is wrong.
    if (log.failure === undefined && damage.isLogDamaged) return;
    this.#failing = true;
    setTimeout(this.#replace, REPLACE_AFTER_MS);
  }

  async stop(): Promise<void> {
    const { dir, learned, keeping, leases, registry, ledger, audit, scrub, projector, log, replicas } = this.#parts;
    clearInterval(this.#timer);
    scrub.close();
    clearInterval(this.#pruning);
    this.#channel?.close();
    // Nobody waits for another host that may be gone.
    replicas.endQuestions();
    await this.#admin.close();
    // What they write last is worth a moment, not the orderly end of log and state.
    await within(LAST_WORDS_MS, [
      dir?.close(),
      leases.close(),
      keeping.close().then(() => replicas.close()),
      learned.close(),
    ]);
    registry.close();
    await projector.close();
    await audit.close();
    await ledger.close();
    await log.close();
    this.#parts.guard.close();
    this.#parts.stateGuard.close();
  }
}
