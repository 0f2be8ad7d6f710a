/**
 * Upgrade: another version derives again, another schema makes the state anew, a replica comes from a snapshot; a sidecar that comes back
 * with what it holds is sent nothing. Going back to an older version is refused.
 */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { LOG_SCHEMA } from '../../src/log/index.ts';
import { decodeHead, encodeHead } from '../../src/projector/head.ts';
import { HEAD_KEY, STATE_NAME, STATE_SCHEMA } from '../../src/projector/state-tables.ts';
import { openEnvironment, type Table } from '../../src/store/index.ts';
import { here } from '../cli/support/here.ts';
import { assertRefused, cleanUp, type Serve, serve, temporaryFolder, tendril } from '../cli/support/tendril.ts';
import { WholeClient } from '../support/whole-client.ts';
import { post, register } from './support.ts';

const MESH = 'default';
const folder = temporaryFolder();
const data = join(folder, 'data');
const CALLEES = ['cart', 'search', 'pay'];
let client: WholeClient;
const serveOn = (dir: string): Promise<Serve> => serve(['--workers', '1', '--data', dir]);

/** What a sidecar is sent that comes back, until a later change has reached it. */
const cameBack = async (server: Serve, later: string): Promise<readonly string[]> => {
  const returning = new WholeClient({ port: server.xdsPort, id: 'web-1', service: 'web.shop' });
  for (const type of held.keys())
    for (const [name, version] of held.get(type) ?? []) returning.hold(type, name, version);
  returning.connect();
  // What would be sent on its own account has come before that.
  assert.equal(await register(server, later), 200);
  assert.equal(
    await post(server, [{ type: 'dependency.declared', data: { from: 'web.shop', to: `${later}.shop` } }]),
    200,
  );
  await returning.until(() => returning.stats.names.some((name) => name.includes(later)));
  const { names, removed } = returning.stats;
  returning.disconnect();
  assert.deepEqual(removed, []);
  return names.filter((name) => !name.includes(later));
};

const held = new Map<string, ReadonlyMap<string, string>>();

before(
  async () => {
    const server = await serveOn(data);
    for (const name of ['web', ...CALLEES]) assert.equal(await register(server, name), 200);
    for (const name of CALLEES)
      assert.equal(
        await post(server, [{ type: 'dependency.declared', data: { from: 'web.shop', to: `${name}.shop` } }]),
        200,
      );
    client = new WholeClient({ port: server.xdsPort, id: 'web-1', service: 'web.shop' });
    client.connect();
    await client.until(() => client.complete() === CALLEES.length);
    for (const type of client.types) held.set(type, new Map(client.held(type)));
    client.disconnect();
    assert.equal((await here(['snapshot', 'export', join(folder, 'mesh.snapshot')], { server: server.api })).code, 0);
    await server.stop();
  },
  { timeout: 300_000 },
);
after(cleanUp);

const inState = async (dir: string, change: (head: Table<string>) => readonly [string, Buffer]): Promise<void> => {
  const environment = await openEnvironment({
    dir,
    mesh: MESH,
    name: STATE_NAME,
    schema: STATE_SCHEMA,
    mode: 'visible',
  });
  const head = environment.table<string>('head');
  const [key, body] = change(head);
  await environment.commit((batch) => batch.put(head, key, body));
  await environment.close();
};

/** As a Tendril of another schema would have left it. */
const setSchema = async (
  dir: string,
  name: string,
  schema: { name: string; version: number },
  by: number,
): Promise<void> => {
  const mode = name === 'log' ? 'durable' : 'visible';
  const environment = await openEnvironment({ dir, mesh: MESH, name, schema, mode });
  const meta = environment.table<string>('meta');
  const identity = { id: environment.id, mesh: MESH, schema: { ...schema, version: schema.version + by } };
  await environment.commit((batch) => batch.put(meta, 'identity', Buffer.from(JSON.stringify(identity))));
  await environment.close();
};

const copyOf = (name: string): string => {
  const dir = join(folder, name);
  cpSync(data, dir, { recursive: true, verbatimSymlinks: true });
  return dir;
};

describe('upgrade', { concurrency: false, timeout: 300_000 }, () => {
  test('another version compiles the same bytes: nothing is sent', async () => {
    const dir = copyOf('version');
    await inState(dir, (head) => {
      const stored = decodeHead(head.get(HEAD_KEY) ?? Buffer.alloc(0));
      assert.notEqual(stored.derivation, '1/0.0.9');
      return [HEAD_KEY, encodeHead({ ...stored, derivation: '1/0.0.9' })];
    });
    const server = await serveOn(dir);
    assert.deepEqual(await cameBack(server, 'later-1'), []);
    await server.stop();
  });

  test('another state schema: the state is made anew, and nothing is sent', async () => {
    const dir = copyOf('schema');
    await setSchema(dir, STATE_NAME, STATE_SCHEMA, -1);
    const server = await serveOn(dir);
    assert.match(server.err(), /emptied; its content is made again/);
    assert.deepEqual(await cameBack(server, 'later-2'), []);
    await server.stop();
  });

  test('a replica made from a snapshot sends nothing that the first one sent', async () => {
    const dir = join(folder, 'replica');
    const { code, err } = await here(['recover', '--from', join(folder, 'mesh.snapshot'), '--data', dir], {
      server: '',
    });
    assert.equal(code, 0, err);
    const server = await serveOn(dir);
    assert.deepEqual(await cameBack(server, 'later-3'), []);
    await server.stop();
  });

  test('back to an older version: refused by log, state and snapshot, with what to do', async () => {
    const parts = [
      ['log', LOG_SCHEMA],
      [STATE_NAME, STATE_SCHEMA],
    ] as const;
    for (const [name, schema] of parts) {
      const dir = copyOf(`newer-${name}`);
      await setSchema(dir, name, schema, 1);
      const ended = await tendril([
        'serve',
        '--workers',
        '0',
        '--data',
        dir,
        '--xds',
        '127.0.0.1:0',
        '--admin',
        '127.0.0.1:0',
      ]);
      assert.equal(ended.code, 1);
      assert.match(ended.err, /error DATA_FROM_NEWER_VERSION: .*\n {2}try: start the newer Tendril/);
    }
    const file = join(folder, 'newer.snapshot');
    const bytes = readFileSync(join(folder, 'mesh.snapshot'));
    bytes.writeUInt32LE(2, 'TENDRIL SNAPSHOT\n'.length);
    writeFileSync(file, bytes);
    assertRefused(
      await here(['recover', '--from', file, '--data', join(folder, 'none')], { server: '' }),
      'DATA_FROM_NEWER_VERSION',
      'import it with the Tendril that wrote it',
    );
  });
});
