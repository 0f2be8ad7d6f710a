/**
 * F-gray of reference/reliability.md, section 4b: a control plane that stands still without being dead. Two servers over one history (what
 * two replicas of one log are), sidecars with both addresses.
 */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { connectSidecar, type SidecarClient } from '../../src/sidecar-client/index.ts';
import { descendants, type Serve, serve, temporaryFolder, until } from '../cli/support/tendril.ts';
import { endpointEvent, post, ready, serviceEvents } from '../runtime/support.ts';
import { faultRun } from './fault-run.ts';
import { Replay } from './replay.ts';

const SIDECARS = 8;
/**
 * Demanded are 15 s. That is just a sidecar's own bound (keepalive every 10 s, 5 s for its answer), so a machine that is busy with other
 * tests needs a margin for timers and for the new connection.
 */
const MOVE_MS = 20_000;
/** And so many changes, as long as one takes on this machine from its author to all sidecars. */
const SLOWNESS = 20;
const HOST = 'svc-0.shop:80';

/** The whole of a server stands still, or goes on. */
const signalAll = (server: Serve, signal: 'SIGSTOP' | 'SIGCONT'): void => {
  for (const pid of [server.pid, ...descendants(server.pid).map((row) => row.pid)]) {
    try {
      process.kill(pid, signal);
    } catch {
      // Replaced meanwhile.
    }
  }
};

class Watched {
  /** Numbers of the addresses that it has seen of the service, as they came. */
  readonly seen: number[] = [];
  readonly client: SidecarClient;
  to = 0;
  connects = 0;

  constructor(index: number, servers: readonly Serve[]) {
    this.client = connectSidecar({
      addresses: servers.map(({ xdsPort }) => ({ host: '127.0.0.1', port: xdsPort })),
      node: { id: `gray-${index}`, cluster: `web-${index}.shop` },
      // Shared out evenly at the begin.
      random: () => (index % servers.length) / servers.length,
      timeoutMs: 60_000,
      onUpdate: () => {
        const address = this.client.endpoints(HOST)?.[0]?.address;
        if (address === undefined) return;
        const number = Number(address.split('.').at(-1));
        if (this.seen.at(-1) !== number) this.seen.push(number);
      },
      onStatus: (status) => {
        if (status.is !== 'connected') return;
        this.to = status.to.port;
        this.connects++;
      },
    });
  }

  /** What it sees never goes back. */
  requireForward(): void {
    for (const [at, number] of this.seen.entries())
      assert.ok(number >= (this.seen[at - 1] ?? 0), `versions went back: ${this.seen.join(', ')}`);
  }
}

const change = async (server: Serve, number: number): Promise<void> =>
  assert.equal(await post(server, [endpointEvent('svc-0', `10.0.0.${number}`)]), 200);

export const grayRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('GRAY', count);
  const folder = temporaryFolder();
  const dirs = [join(folder, 'a'), join(folder, 'b')];
  const first = await serve(['--data', dirs[0] ?? '', '--workers', '1']);
  assert.equal(await post(first, serviceEvents('svc-0', '10.0.0.1')), 200);
  assert.equal((await first.stop()).code, 0);
  cpSync(dirs[0] ?? '', dirs[1] ?? '', { recursive: true });
  const servers = await Promise.all(dirs.map((dir) => serve(['--data', dir, '--workers', '1'])));
  const sidecars = Array.from({ length: SIDECARS }, (_, index) => new Watched(index, servers));
  context.after(async () => {
    for (const { client } of sidecars) await client.close();
    for (const server of servers) signalAll(server, 'SIGCONT');
  });
  const allSee = (number: number): Promise<true> =>
    until(
      () => (sidecars.every(({ seen }) => seen.at(-1) === number) ? true : undefined),
      () => `not all see ${number}: ${sidecars.map(({ seen }) => seen.at(-1)).join(', ')}`,
    );
  for (const { client } of sidecars) assert.ok(await client.hold(HOST));
  await allSee(1);
  let number = 1;
  let usualMs = 0;
  const moves: number[] = [];
  for (let round = 0; round < run.count; round++) {
    const gray = servers[round % 2] ?? assert.fail();
    const well = servers[(round + 1) % 2] ?? assert.fail();
    const began = performance.now();
    await change(gray, ++number);
    await change(well, number);
    await allSee(number);
    usualMs = Math.min(performance.now() - began, MOVE_MS / SLOWNESS);
    const held = sidecars.filter(({ to }) => to === gray.xdsPort);
    const bytes = held.map(({ client }) => client.stats().resources);
    signalAll(gray, 'SIGSTOP');
    const stopped = performance.now();
    await until(
      () => (sidecars.every(({ to, client }) => to === well.xdsPort && client.stats().connected) ? true : undefined),
      () => `${sidecars.filter(({ to }) => to !== well.xdsPort).length} sidecars wait for a server that stands still`,
    );
    moves.push(performance.now() - stopped);
    assert.ok(
      (moves.at(-1) ?? 0) <= MOVE_MS + SLOWNESS * usualMs,
      `sidecars are elsewhere only after ${Math.round(moves.at(-1) ?? 0)} ms`,
    );
    // Equal bytes have equal versions on every replica: who moves is sent nothing that it holds.
    assert.deepEqual(
      held.map(({ client }) => client.stats().resources),
      bytes,
    );
    await change(well, ++number);
    await allSee(number);
    const connects = sidecars.map((sidecar) => sidecar.connects);
    signalAll(gray, 'SIGCONT');
    await until(
      async () => ((await ready(gray)) === 200 ? true : undefined),
      () => `not ready after SIGCONT:\n${gray.err()}`,
    );
    // What it missed comes to it as well, as it would by the log that replicas share.
    await change(gray, number);
    await change(well, ++number);
    await allSee(number);
    await change(gray, number);
    assert.deepEqual(
      sidecars.map((sidecar) => sidecar.connects),
      connects,
      'nobody went back to it',
    );
    for (const sidecar of sidecars) sidecar.requireForward();
  }
  for (const { client } of sidecars) await client.close();
  for (const [at, server] of servers.entries()) {
    await new Replay(dirs[at] ?? '').requireLive(server.api);
    assert.equal((await server.stop()).code, 0, server.err());
  }
  context.diagnostic(
    `${run.count} times a server stood still; all ${SIDECARS} sidecars were elsewhere after at most ${Math.round(Math.max(...moves))} ms`,
  );
};
