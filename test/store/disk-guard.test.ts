import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decideDisk } from '../../src/store/disk-guard.ts';
import { createDiskGuard, type DiskGuardOptions, type DiskState } from '../../src/store/index.ts';
import { hasCode } from './support.ts';

const MIB = 2 ** 20;

const guardWith = (
  context: { after(fn: () => void): void },
  disk: { free: number },
  options: Partial<DiskGuardOptions> = {},
) => {
  const changes: DiskState[] = [];
  const guard = createDiskGuard({
    path: '/data',
    reserveBytes: 10 * MIB,
    freeBytes: () => disk.free,
    onChange: ({ state }) => changes.push(state),
    ...options,
  });
  context.after(() => guard.close());
  return { guard, changes };
};

describe('disk guard', () => {
  test('D1: property: what is admitted leaves the reserve free', () => {
    const size = fc.integer({ min: 0, max: 1e12 });
    fc.assert(
      fc.property(fc.constantFrom<DiskState>('ok', 'full'), size, size, size, (previous, free, reserve, wanted) => {
        if (decideDisk(previous, free, reserve, wanted) === 'ok') assert.ok(free - wanted >= reserve);
        else assert.ok(free - wanted < reserve * 1.1);
      }),
    );
  });

  test('D1: refuses early with a remedy, counts it, and tells the change once', (context) => {
    const disk = { free: 100 * MIB };
    const { guard, changes } = guardWith(context, disk);
    guard.admit(1 * MIB);
    disk.free = 10.5 * MIB;
    assert.throws(() => guard.admit(1 * MIB), hasCode('DISK_FULL', '/data', 'by itself'));
    assert.throws(() => guard.admit(1), hasCode('DISK_FULL'));
    assert.equal(guard.refused, 2);
    assert.deepEqual(changes, ['full']);
    assert.equal(guard.condition().state, 'full');
  });

  test('D2: recovers by itself, with room to spare', (context) => {
    const disk = { free: 5 * MIB };
    const { guard, changes } = guardWith(context, disk);
    assert.equal(guard.condition().state, 'full');
    disk.free = 10.9 * MIB;
    guard.poll();
    assert.equal(guard.condition().state, 'full');
    disk.free = 11 * MIB;
    guard.poll();
    assert.equal(guard.condition().state, 'ok');
    guard.admit(1);
    assert.deepEqual(changes, ['full', 'ok']);
  });

  test('D2: the poller finds it without anybody writing', async (context) => {
    const disk = { free: 5 * MIB };
    const recovered = new Promise<void>((resolve) => {
      guardWith(context, disk, { pollMs: 5, onChange: ({ state }) => state === 'ok' && resolve() });
    });
    disk.free = 50 * MIB;
    const alive = setInterval(() => undefined, 1000); // the guard's own timer keeps no process alive
    await recovered;
    clearInterval(alive);
  });

  test('D1: the reserve grows to four times the largest batch', (context) => {
    const disk = { free: 100 * MIB };
    const { guard } = guardWith(context, disk);
    guard.admit(20 * MIB);
    assert.equal(guard.condition().reserveBytes, 80 * MIB);
    assert.throws(() => guard.admit(21 * MIB), hasCode('DISK_FULL'));
  });

  test('D3: a disk that cannot be asked counts as full', (context) => {
    const disk = { free: Number.NaN };
    const { guard } = guardWith(context, disk);
    assert.throws(() => guard.admit(1), hasCode('DISK_FULL'));
  });

  test('asks the real disk, also for a directory that does not exist yet', (context) => {
    const guard = createDiskGuard({ path: '/tmp/no/such/directory', reserveBytes: 1 });
    context.after(() => guard.close());
    assert.ok(guard.condition().freeBytes > 0);
  });
});
