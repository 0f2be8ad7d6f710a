/** Writers in a process of their own, and what they were told is durable. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { LogRecord } from '../../src/log/index.ts';
import { until } from '../cli/support/tendril.ts';
import { nextMessage, startChild } from '../store/support.ts';

export interface Acknowledged {
  readonly offset: number;
  readonly id: string;
}

export interface Authors {
  /** All that has been acknowledged so far, in the order in which it was. */
  acknowledged(): readonly Acknowledged[];
  /** Waits until so many more than now are acknowledged. */
  progress(count: number, state: () => string): Promise<true>;
  /** Lets every writer end what it is sending; gives how often the server answered and refused. */
  stop(): Promise<number>;
}

const childModule = new URL('./writers-child.js', import.meta.url);

/** @param file the list of what is acknowledged: kept by the writers, not by what is killed */
export const startAuthors = async (
  context: TestContext,
  api: string,
  file: string,
  seed: number,
  writers = 16,
): Promise<Authors> => {
  const child = startChild(context, childModule, [api, file, String(seed), String(writers)]);
  await nextMessage(child);
  const acknowledged = (): readonly Acknowledged[] => {
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
    return lines.map((line) => {
      const [offset, id = ''] = line.split(' ');
      return { offset: Number(offset), id };
    });
  };
  return {
    acknowledged,
    progress: (count, state) => {
      const before = acknowledged().length;
      return until(() => (acknowledged().length >= before + count ? true : undefined), state);
    },
    stop: async () => {
      const told = nextMessage(child);
      child.send('stop');
      return ((await told) as { readonly refused: number }).refused;
    },
  };
};

/** Every acknowledged event is in the log at its offset, and the log has no gap. */
export const requireAcknowledged = (records: readonly LogRecord[], acknowledged: readonly Acknowledged[]): void => {
  const first = records[0]?.offset ?? 1;
  for (const [index, record] of records.entries()) {
    assert.equal(record.offset, first + index, 'the log has a gap');
    assert.equal(record.unreadable, undefined, `event ${record.offset} cannot be read`);
  }
  for (const { offset, id } of acknowledged)
    assert.equal(records[offset - first]?.event?.id, id, `acknowledged event ${offset} (${id}) is lost`);
};

/** What was sent again and again has an effect once: its other places in the log are duplicates of the first. */
export const requireOnce = (
  records: readonly LogRecord[],
  duplicates: ReadonlySet<number>,
  source = 'writers',
): number => {
  const firsts = new Map<string, number>();
  let again = 0;
  for (const { offset, event } of records) {
    if (event === undefined || event.source !== source) continue;
    if (!firsts.has(event.id)) firsts.set(event.id, offset);
    else {
      again++;
      assert.ok(duplicates.has(offset), `event ${event.id} counts twice, at ${firsts.get(event.id)} and ${offset}`);
    }
  }
  return again;
};
