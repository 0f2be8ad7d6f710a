/** `tendril snapshot`, `recover` and `log`: between servers, directories and files. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { here } from './support/here.ts';
import {
  assertRefused,
  cleanUp,
  type Ended,
  type Serve,
  serve,
  start,
  temporaryFolder,
  tendril,
} from './support/tendril.ts';

const folder = temporaryFolder();
const data = join(folder, 'data');
const MESH = ['--mesh', 'shop'];

interface Proof {
  readonly offset: number;
  readonly hash: string;
  readonly chain: string;
}

const run = (server: string, ...args: string[]): Promise<Ended> => here(args, { server });
const proofOf = async (server: Serve): Promise<Proof> =>
  (await (await fetch(`${server.api}/v1/state/hash`)).json()) as Proof;
const ok = async (ended: Promise<Ended>): Promise<string> => {
  const { code, out, err } = await ended;
  assert.equal(code, 0, `${out}${err}`);
  return out;
};
const serveOn = (dir: string): Promise<Serve> => serve(['--workers', '0', '--data', dir, ...MESH]);
const route = (seconds: number): string =>
  `{apiVersion: tendril.dev/v1, kind: Route, metadata: {name: reviews, namespace: shop}, spec: {timeout: ${seconds}s}}`;

let server: Serve;
before(async () => {
  server = await serveOn(data);
  for (const seconds of [1, 2, 3]) await ok(here(['apply', '-f', '-'], { server: server.api, input: route(seconds) }));
});
after(cleanUp);

describe('snapshot, recover, log', { concurrency: false }, () => {
  test('from a running server into a new directory: the state is the same, and goes on', async () => {
    const file = join(folder, 'mesh.snapshot');
    const proof = await proofOf(server);
    const said = JSON.parse(await ok(run(server.api, 'snapshot', 'export', file, '-o', 'json'))) as { hash: string };
    assert.equal(said.hash, proof.hash);
    for (const [name, ...more] of [['whole'], ['bare', '--no-log']] as const) {
      const source = join(folder, `${name}.snapshot`);
      await ok(run(server.api, 'snapshot', 'export', source, ...more));
      const copy = join(folder, name);
      assert.match(
        await ok(run('', 'snapshot', 'import', source, '--data', copy, ...MESH)),
        new RegExp(`goes on from offset ${proof.offset}, state hash ${proof.hash}`),
      );
      await ok(run('', 'verify', '--data', copy, ...MESH));
      const other = await serveOn(copy);
      assert.deepEqual(await proofOf(other), proof);
      await ok(here(['apply', '-f', '-'], { server: other.api, input: route(9) }));
      await other.stop();
      await ok(run('', 'verify', '--data', copy, ...MESH));
    }
  });

  test('refused: where something is, of another mesh, damaged; nothing is touched', async () => {
    const file = join(folder, 'mesh.snapshot');
    const copy = join(folder, 'whole');
    assertRefused(await run('', 'snapshot', 'import', file, '--data', copy, ...MESH), 'DATA_EXISTS', '--force');
    assertRefused(
      await run('', 'snapshot', 'import', file, '--data', join(folder, 'new')),
      'MESH_MISMATCH',
      '--mesh shop',
    );
    const cut = join(folder, 'cut.snapshot');
    writeFileSync(cut, readFileSync(file));
    truncateSync(cut, readFileSync(file).length - 10);
    assertRefused(await run('', 'recover', '--from', cut, '--data', copy, ...MESH), 'SNAPSHOT_CORRUPT', 'again');
    assertRefused(
      await run('', 'recover', '--from', join(folder, 'none'), '--data', copy, ...MESH),
      'FILE_UNREADABLE',
      '-',
    );
    assert.deepEqual(
      readdirSync(copy).filter((name) => /before|part/.test(name)),
      [],
    );
    await ok(run('', 'verify', '--data', copy, ...MESH));
  });

  test('one command after a gap: recover from a running replica; what was there is kept', async () => {
    const broken = join(folder, 'bare');
    // Behind, and of a history of its own since the last test; now damaged as well.
    const bytes = readFileSync(join(broken, 'log', 'data.mdb'));
    bytes.fill(0, 0, 200);
    writeFileSync(join(broken, 'log', 'data.mdb'), bytes);
    const refused = await tendril([
      'serve',
      '--workers',
      '0',
      '--data',
      broken,
      ...MESH,
      '--xds',
      '127.0.0.1:0',
      '--admin',
      '127.0.0.1:0',
    ]);
    assert.equal(refused.code, 1);
    const proof = await proofOf(server);
    const text = await ok(run('', 'recover', '--from', server.api, '--data', broken, ...MESH));
    assert.match(text, new RegExp(`state hash ${proof.hash}; goes on from offset ${proof.offset}`));
    assert.match(text, /what was there: log\.before-/);
    assert.ok(readdirSync(broken).some((name) => name.startsWith('log.before-')));
    const again = await serveOn(broken);
    assert.deepEqual(await proofOf(again), proof);
    assertRefused(
      await run('', 'recover', '--from', server.api, '--data', broken, ...MESH),
      'LOG_LOCKED',
      String(again.pid),
    );
    await again.stop();
  });

  test('standard output and input', async () => {
    const piped = join(folder, 'piped');
    const going = start(['snapshot', 'export', '-', '--server', server.api]);
    const pieces: Buffer[] = [];
    going.child.stdout
      ?.removeAllListeners('data')
      .setEncoding('latin1')
      .on('data', (piece: string) => pieces.push(Buffer.from(piece, 'latin1')));
    assert.equal((await going.ended).code, 0);
    await ok(tendril(['snapshot', 'import', '-', '--data', piped, ...MESH], { input: Buffer.concat(pieces) }));
    await ok(run('', 'verify', '--data', piped, ...MESH));
  });

  test('a log as lines: the same offsets, bytes and chain in a new log; through the API nothing twice', async () => {
    const proof = await proofOf(server);
    const file = join(folder, 'events.ndjson');
    await ok(run(server.api, 'log', 'dump', file));
    const copy = join(folder, 'from-lines');
    const said = JSON.parse(await ok(run('', 'log', 'import', file, '--data', copy, ...MESH, '-o', 'json'))) as Proof;
    assert.deepEqual([said.offset, said.chain], [proof.offset, proof.chain]);
    assert.equal(await ok(run('', 'log', 'dump', '-', '--data', copy, ...MESH)), readFileSync(file, 'latin1'));
    assert.equal((await ok(run(server.api, 'log', 'dump', '-', '--from', '2', '--to', '3'))).split('\n').length, 3);
    const other = await serveOn(copy);
    assert.deepEqual(await proofOf(other), proof);
    const sent = JSON.parse(await ok(run(other.api, 'log', 'import', file, '-o', 'json'))) as Record<string, number>;
    assert.deepEqual([sent.applied, sent.refused], [0, 0]);
    assert.ok((sent.duplicate ?? 0) >= 3 && (sent.skipped ?? 0) >= 1, JSON.stringify(sent));
    await other.stop();
    assertRefused(await run('', 'log', 'import', file, '--data', copy, ...MESH), 'DATA_EXISTS', '--data');

    const lines = readFileSync(file, 'utf8').split('\n');
    const none = join(folder, 'none-of-it');
    const load = (input: string): Promise<Ended> =>
      here(['log', 'import', '-', '--data', none, ...MESH], { server: '', input });
    assertRefused(await load([lines[0], lines[2]].join('\n')), 'LOG_GAP', 'line 2', 'in order');
    assertRefused(await load(lines.slice(1).join('\n')), 'LOG_GAP', 'line 1', 'snapshot');
    assertRefused(await load([lines[0], '{"offset":2'].join('\n')), 'LOG_LINE', 'line 2');
    assert.ok(!existsSync(join(none, 'log')));
  });

  test('from the directory of a stopped server', async () => {
    assertRefused(
      await run('', 'snapshot', 'export', join(folder, 'x'), '--data', data, ...MESH),
      'LOG_LOCKED',
      String(server.pid),
    );
    const proof = await proofOf(server);
    await server.stop();
    const file = join(folder, 'stopped.snapshot');
    assert.match(await ok(run('', 'snapshot', 'export', file, '--data', data, ...MESH)), new RegExp(proof.hash));
    await ok(run('', 'recover', '--from', file, '--data', join(folder, 'stopped'), ...MESH));
    await ok(run('', 'verify', '--data', join(folder, 'stopped'), ...MESH));
  });
});
