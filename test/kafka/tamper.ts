/** Makes the state of a stopped replica differ, as a bug or bad memory would: sound in itself, but not what the log folds to. */
import assert from 'node:assert/strict';
import { decodeHead, encodeHead } from '../../src/projector/head.ts';
import { digestToLanes, entityTerm, LANES, StateHash, TERM_BYTES } from '../../src/projector/state-hash.ts';
import { HEAD_KEY, openStateTables, STATE_NAME, STATE_SCHEMA } from '../../src/projector/state-tables.ts';
import { openEnvironment } from '../../src/store/index.ts';

/** Changes the bytes of one entity, and the state hash with it. */
export const tamper = async (dir: string, mesh: string, key: string, from: string, to: string): Promise<void> => {
  const environment = await openEnvironment({
    dir,
    mesh,
    name: STATE_NAME,
    schema: STATE_SCHEMA,
    mode: 'visible',
    derived: true,
  });
  try {
    const tables = openStateTables(environment);
    const stored = tables.entity.get(key) ?? assert.fail(`no entity ${key}`);
    const before = stored.subarray(TERM_BYTES).toString('utf8');
    assert.ok(before.includes(from), before);
    const bytes = Buffer.from(before.replace(from, to));
    const changed = Buffer.concat([entityTerm(key, bytes), bytes]);
    const hash = new StateHash();
    const lanes = new Uint32Array(LANES);
    for (const entity of tables.entity.range()) {
      digestToLanes(entity.key === key ? changed : entity.body, lanes, 0);
      hash.add(lanes);
    }
    const head = decodeHead(tables.head.get(HEAD_KEY) ?? assert.fail('no head'));
    await environment.commit((batch) => {
      batch.put(tables.entity, key, changed);
      batch.put(tables.head, HEAD_KEY, encodeHead({ ...head, hash: hash.hex() }));
    });
  } finally {
    await environment.close();
  }
};
