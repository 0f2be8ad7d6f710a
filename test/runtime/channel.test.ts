/** The channel over its real socket, with a worker that reads nothing (worker-registry.ts, invariant 3). */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Channel, listenChannel } from '../../src/runtime/channel.ts';
import type { ToCore, ToWorker } from '../../src/runtime/messages.ts';
import { WorkerRegistry } from '../../src/runtime/worker-registry.ts';

const NOTICES = 20_000;

test('a worker that reads nothing: what waits for it stays one message; then it hears of the newest epoch', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tendril-channel-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  let epoch = 0;
  const registry = new WorkerRegistry({
    clock: () => 0,
    expected: 1,
    epoch: () => epoch,
    onLedger: () => undefined,
    onObserved: async () => true,
    onUse: () => true,
    onDead: () => undefined,
  });
  const path = join(folder, 'core.sock');
  let channel: Channel<ToWorker, ToCore> | undefined;
  const server = await listenChannel<ToWorker, ToCore>(path, (peer) => {
    channel = peer;
    registry.accept(peer);
  });
  const worker = createConnection(path);
  let heard = '';
  worker.setEncoding('utf8').pause();
  worker.on('data', (text: string) => {
    heard += text;
  });
  const hello: ToCore = { t: 'hello', worker: 0, pid: 1, xds: { host: '127.0.0.1', port: 1 } };
  worker.write(`${JSON.stringify(hello)}\n`);
  const turn = (): Promise<void> => new Promise((done) => setImmediate(done));
  while (registry.live.length === 0) await turn();
  let most = 0;
  for (epoch = 1; epoch < NOTICES; epoch++) {
    registry.notice(epoch);
    most = Math.max(most, channel?.waiting ?? 0);
    if (epoch % 16 === 0) await turn();
  }
  const { notices, noticesHeld } = registry.counters;
  assert.ok(noticesHeld > 0 && notices + noticesHeld === NOTICES - 1, `${notices} sent, ${noticesHeld} held back`);
  assert.ok(most > 0 && most < 100, `${most} bytes waited`);
  worker.resume();
  const last = (): string => heard.trimEnd().split('\n').at(-1) ?? '';
  const newest = JSON.stringify({ t: 'notice', epoch: NOTICES } satisfies ToWorker);
  while (last() !== newest) await new Promise((next) => setTimeout(next, 5));
  assert.ok(registry.counters.notices < NOTICES);
  worker.destroy();
  server.close();
});
