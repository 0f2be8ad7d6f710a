/** Snapshots in tests: as one buffer, into a directory, compared with a replay. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EventEnvelope } from '../../src/model/index.ts';
import { installSnapshot, type OpenSnapshot, type SnapshotHeader } from '../../src/projector/snapshot/index.ts';
import { closeSystem, feed, openSystem, type System, tempDir } from './harness.ts';
import {
  changeEvents,
  endpoint,
  event,
  initialEvents,
  MESH,
  observed,
  policy,
  randomFrom,
  registered,
  route,
} from './mesh-events.ts';

const SIZE = { services: 12, endpoints: 3 };

/** Events that leave something in every table: rejected, quarantined, removed, observed, raw, duplicates. */
export const mixedEvents = (seed: number): (() => EventEnvelope[]) => {
  const random = randomFrom(seed);
  const next = changeEvents(SIZE, random);
  let round = 0;
  return () => {
    const name = `svc-${Math.floor(random() * SIZE.services)}`;
    const other = `svc-${Math.floor(random() * SIZE.services)}`;
    round++;
    const twice = registered(`round-${round}`);
    return [
      ...Array.from({ length: Math.floor(random() * 40) }, next),
      policy('Upstream', name, { subsets: { v1: { labels: { version: 'v1' } } } }),
      ...(random() < 0.5
        ? [route(name, { to: { v1: {} }, timeout: `${round}s` })]
        : [route(other, { to: { no: {} } })]),
      observed(`${name}.shop`, `${other}.shop:80`, `node-${round}`),
      registered('Bad Name'),
      endpoint(name, `x-${round}`),
      twice,
      twice,
      ...(random() < 0.5 ? [event('service.deregistered', { namespace: 'shop', name: `round-${round - 1}` })] : []),
    ];
  };
};

export const initial = (): EventEnvelope[] => [...initialEvents(SIZE)];

export const bytesOf = async (snapshot: OpenSnapshot): Promise<Buffer> => {
  const pieces: Buffer[] = [];
  for await (const piece of snapshot.bytes) pieces.push(piece);
  await snapshot.close();
  return Buffer.concat(pieces);
};

/** In pieces of odd sizes, as a socket gives them. */
export async function* pieces(bytes: Buffer, size = 1009): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

let directories = 0;

/** A new data directory made from a snapshot. */
export const installed = async (
  parent: string,
  bytes: Buffer,
): Promise<{ readonly dir: string; readonly header: SnapshotHeader }> => {
  const dir = join(parent, `installed-${++directories}`);
  mkdirSync(dir);
  return { dir, header: await installSnapshot(pieces(bytes), { dir, mesh: MESH }) };
};

/** State hash of a replay of the first events of a system's log. */
export const replayedHash = async (
  t: Parameters<typeof tempDir>[0],
  system: System,
  upTo: number,
): Promise<string | undefined> => {
  const fresh = await openSystem(tempDir(t));
  try {
    for await (const records of system.log.read({ from: 1, maxBatch: 500 })) {
      const events = records.flatMap(({ offset, event: recorded }) =>
        recorded === undefined || offset > upTo ? [] : [recorded],
      );
      if (events.length > 0) await feed(fresh, ...events);
    }
    return fresh.projector.proof()?.hash;
  } finally {
    await closeSystem(fresh);
  }
};
