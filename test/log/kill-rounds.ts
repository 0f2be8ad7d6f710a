/** F-kill of reference/reliability.md, section 4b: a writer is killed at random moments; what it acknowledged is there. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type LogRecord, openEventLog } from '../../src/log/index.ts';
import { collect, MESH } from '../contracts/event-log.ts';
import { chooseSeed, nextMessage, seeded, startChild, temporaryDirectory } from '../store/support.ts';

const childModule = new URL('./kill-child.js', import.meta.url);

interface Acknowledged {
  readonly first: number;
  readonly id: string;
  readonly size: number;
}

/** Starts a writer, kills it `ms` after it is ready, or has had an acknowledgement; gives what it acknowledged. */
const writeAndKill = async (
  context: TestContext,
  dir: string,
  { seed, ms, after }: { readonly seed: number; readonly ms: number; readonly after: 'ready' | 'acknowledgement' },
): Promise<Acknowledged[]> => {
  const child = startChild(context, childModule, [dir, String(seed)]);
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const closed = new Promise<NodeJS.Signals | null>((resolve) => child.once('close', (_, signal) => resolve(signal)));
  const acknowledged = new Promise<void>((resolve) => child.stdout?.once('data', () => resolve()));
  await nextMessage(child);
  // However slow the machine is: half of them have written something.
  if (after === 'acknowledgement') await Promise.race([acknowledged, closed]);
  await new Promise((resolve) => setTimeout(resolve, ms));
  child.kill('SIGKILL');
  assert.equal(await closed, 'SIGKILL', 'the writer ended by itself');
  const lines = output.split('\n').slice(0, -1);
  return lines.map((line) => {
    const [first, id = '', size] = line.split(' ');
    return { first: Number(first), id, size: Number(size) };
  });
};

const requireWhole = (records: readonly LogRecord[]): void => {
  records.forEach((record, index) => {
    assert.equal(record.offset, index + 1, 'a gap');
    const batch = record.event?.batch;
    assert.ok(batch !== undefined, `event ${record.offset} cannot be read: ${record.unreadable}`);
    const neighbour = records[index + batch.size - 1 - batch.index]?.event?.batch;
    assert.deepEqual(neighbour, { ...batch, index: batch.size - 1 }, `batch ${batch.id} is torn`);
  });
};

export const killRounds = async (context: TestContext, rounds: number): Promise<void> => {
  const seed = chooseSeed(context);
  const random = seeded(seed);
  const dir = temporaryDirectory(context);
  const acknowledged: Acknowledged[] = [];
  let unacknowledged = 0;
  for (let round = 0; round < rounds; round++) {
    const before = acknowledged.reduce((sum, { size }) => sum + size, unacknowledged);
    const after = round % 2 === 0 ? 'acknowledgement' : 'ready';
    acknowledged.push(...(await writeAndKill(context, dir, { seed: round, ms: 5 + random() * 150, after })));
    const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: Date });
    assert.equal(log.opened?.clean, false);
    const records = await collect(log.read({ from: 1 }));
    // Only the last of the writer's lives may end uncleanly: the next round's open must read it through again.
    await log.close();
    requireWhole(records);
    for (const { first, id, size } of acknowledged) {
      for (let index = 0; index < size; index++) {
        assert.equal(
          records[first + index - 1]?.event?.id,
          `${id}/${index}`,
          `acknowledged event ${first + index} is lost`,
        );
      }
    }
    const known = acknowledged.reduce((sum, { size }) => sum + size, 0);
    unacknowledged = records.length - known;
    assert.ok(records.length >= before, 'the log got shorter');
  }
  assert.ok(acknowledged.length >= rounds / 2, 'the writers were killed before they wrote anything');
  context.diagnostic(
    `${rounds} kills, ${acknowledged.length} batches acknowledged, 0 lost; ${unacknowledged} events were durable and not yet acknowledged`,
  );
};
