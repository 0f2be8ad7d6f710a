/**
 * F-corrupt of reference/reliability.md, section 4b, for log and state together: a flipped bit or a cut in one of the files of a
 * directory that nobody has open. This process opens every image as `serve` would: it must not die, and what it serves is what was
 * there before, or nothing. (Of the log alone, test/log/damage.test.ts has more.)
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { TendrilError } from '../../src/model/index.ts';
import { verifyData } from '../../src/projector/index.ts';
import { flip } from '../log/damage-images.ts';
import { closeSystem, feed, openModel, openSystem, type System, withSystem } from '../projector/harness.ts';
import { changeEvents, initialEvents, MESH, observed, route } from '../projector/mesh-events.ts';
import { temporaryDirectory } from '../store/support.ts';
import { type FaultRun, faultRun } from './fault-run.ts';

const FILES = ['log/data.mdb', 'state/data.mdb'] as const;
const markOf = (file: string): string => join(dirname(file), 'clean.json');
const SIZE = { services: 8, endpoints: 3 };
const AT_ONCE = 2;
/** Offsets, evenly over the log, whose outcomes are compared; the last one, a duplicate, besides. */
const OUTCOMES = 20;
/** Why a start refuses: damage that is named. */
const REFUSALS: ReadonlySet<string> = new Set(['LOG_CORRUPT', 'DATA_CORRUPT', 'CORRUPT_RECORD', 'STATE_AHEAD_OF_LOG']);

interface Good {
  readonly files: ReadonlyMap<string, Buffer>;
  /** The mark beside each that says "closed in order": the file that is not damaged keeps it. */
  readonly marks: ReadonlyMap<string, Buffer>;
  readonly keys: readonly string[];
  readonly served: string;
}

/** All that a worker would read, the state hash, and what became of a few events, as one text. */
const served = async (
  { dir, projector }: Pick<System, 'dir' | 'projector'>,
  keys: readonly string[],
): Promise<string> => {
  const model = await openModel(dir);
  try {
    const resources = keys.map((key) => {
      const { version = '', body = new Uint8Array() } = model.resource(key) ?? {};
      return `${key} ${version} ${createHash('sha256').update(body).digest('hex')}`;
    });
    const services = [...model.eachService()].map((service) => JSON.stringify(service));
    const { offset, hash } = projector.proof() ?? {};
    const asked = Array.from({ length: OUTCOMES }, (_, index) => 1 + Math.floor((index * (offset ?? 0)) / OUTCOMES));
    const outcomes = projector.outcomesOf([...asked, offset ?? 0]).map((outcome) => JSON.stringify(outcome));
    assert.equal(outcomes.length, OUTCOMES + 1);
    return [offset, hash, model.offset(), ...resources, ...services, ...outcomes].join('\n');
  } finally {
    await model.close();
  }
};

const makeGood = async (context: TestContext, run: FaultRun): Promise<Good> => {
  const dir = temporaryDirectory(context);
  const change = changeEvents(SIZE, run.random);
  const [keys, text] = await withSystem(dir, async (system) => {
    await feed(
      system,
      ...initialEvents(SIZE),
      route('svc-1', { timeout: '2s' }),
      observed('svc-2.shop', 'svc-3.shop:80', 'n'),
    );
    for (let n = 0; n < 10; n++) await feed(system, ...Array.from({ length: 20 }, change));
    const again = change();
    await feed(system, again, again);
    const shared = system.projector.sharedKeys();
    assert.equal(system.projector.outcomesOf([system.log.head().offset])[0]?.status, 'duplicate');
    return [shared, await served(system, shared)] as const;
  });
  const read = (name: (file: string) => string): ReadonlyMap<string, Buffer> =>
    new Map(FILES.map((file) => [file, readFileSync(join(dir, name(file)))]));
  return { files: read((file) => file), marks: read(markOf), keys, served: text };
};

/** `same`: what was there is served, and nothing had to be made anew. `anew`: the same, from the log. Anything else fails. */
const outcomeOf = async (dir: string, good: Good): Promise<'same' | 'anew' | 'refused'> => {
  let system: System;
  try {
    system = await openSystem(dir);
  } catch (error) {
    if (error instanceof TendrilError && REFUSALS.has(error.code)) return 'refused';
    throw error;
  }
  try {
    const now = await served(system, good.keys).catch((error: unknown) => {
      if (error instanceof TendrilError && REFUSALS.has(error.code)) return undefined;
      throw error;
    });
    if (now === undefined) return 'refused';
    assert.equal(now, good.served);
    return system.lines.has('warn', 'emptied') || system.lines.has('warn', 'made anew') ? 'anew' : 'same';
  } finally {
    await closeSystem(system);
  }
};

/** True: nothing was found. */
const isSound = async (dir: string): Promise<boolean> => {
  try {
    return (await verifyData({ dir, mesh: MESH })).ok;
  } catch (error) {
    if (error instanceof TendrilError) return false;
    throw error;
  }
};

export const corruptRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('CORRUPT', count);
  const good = await makeGood(context, run);
  const seen = { same: 0, anew: 0, refused: 0, found: 0 };
  const check = async (image: number): Promise<void> => {
    const file = FILES[image % FILES.length] ?? 'log/data.mdb';
    const bytes = good.files.get(file) ?? assert.fail();
    const cut = run.random() < 0.4;
    const at = run.between(0, bytes.length - 1);
    const bit = run.between(0, 7);
    const what = cut ? `${file} cut at ${at}` : `${file}, bit ${bit} of byte ${at} flipped`;
    const dir = temporaryDirectory(context);
    for (const [name, whole] of good.files) {
      mkdirSync(dirname(join(dir, name)), { recursive: true, mode: 0o700 });
      if (name !== file) writeFileSync(join(dir, markOf(name)), good.marks.get(name) ?? '');
      writeFileSync(join(dir, name), name !== file ? whole : cut ? whole.subarray(0, at) : flip(whole, at * 8 + bit));
    }
    const forVerify = `${dir}-verify`;
    cpSync(dir, forVerify, { recursive: true });
    try {
      const sound = await isSound(forVerify);
      const outcome = await outcomeOf(dir, good);
      seen[outcome]++;
      if (!sound) seen.found++;
      // What was set aside or refused must have been found; what verify passes must be as it was.
      if (sound) assert.equal(outcome, 'same', 'verify found nothing');
    } catch (error) {
      throw new Error(`${what}: ${String(error)}`, { cause: error });
    } finally {
      for (const one of [dir, forVerify]) rmSync(one, { recursive: true, force: true });
    }
  };
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < run.count) await check(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  assert.ok(seen.found > run.count / 4, 'most of both files is in use: most damage must be found');
  context.diagnostic(
    `${run.count} images: ${seen.refused} refused, ${seen.anew} made anew from the log, ${seen.same} served as before; verify found ${seen.found}`,
  );
};
