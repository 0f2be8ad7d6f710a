/** Issue 5, 4.2: what access logs tell is not lost with a core that is killed, before or after the log had it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ClientWritableStream, credentials, Client as GrpcClient } from '@grpc/grpc-js';
import { cleanUp, type Serve, serve, temporaryFolder, until } from '../cli/support/tendril.ts';
import { httpEntry, logsMessage } from '../support/use-messages.ts';
import { coreOf, metric, post, serviceEvents, writable } from './support.ts';

after(cleanUp);

const PATH = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';
const NAMES = ['cart', 'mail', 'pay', 'stock'];
const bytes = (message: Buffer): Buffer => message;

interface Edge {
  readonly to: string;
  readonly port?: number;
  readonly evidence: readonly string[];
}

const observed = async (server: Serve): Promise<readonly string[]> => {
  const { edges } = (await (await fetch(`${server.api}/v1/graph?focus=web.shop&depth=1`)).json()) as {
    readonly edges: readonly Edge[];
  };
  return edges.filter(({ evidence }) => evidence.includes('observed')).map(({ to }) => to);
};

const allObserved = (server: Serve, names: readonly string[]): Promise<true> =>
  until(
    async () => {
      const found = await observed(server).catch((): readonly string[] => []);
      return names.every((name) => found.includes(`${name}.shop`)) ? true : undefined;
    },
    () => `not all of ${names.join(', ')} were observed: ${server.err()}`,
  );

test('a core that is killed before it heard of them, and one that had heard', async (t) => {
  const server = await serve(['--data', join(temporaryFolder(), 'data')]);
  assert.equal(
    await post(
      server,
      ['web', ...NAMES].flatMap((name) => serviceEvents(name)),
    ),
    200,
  );
  const client = new GrpcClient(`127.0.0.1:${server.xdsPort}`, credentials.createInsecure());
  t.after(() => client.close());
  const stream: ClientWritableStream<Buffer> = client.makeClientStreamRequest(PATH, bytes, bytes, () => undefined);
  stream.on('error', () => undefined);
  t.after(() => stream.cancel());
  const node = { id: 'web-1', cluster: 'web.shop' };
  const use = (names: readonly string[], first: boolean): void =>
    void stream.write(
      logsMessage({
        ...(first ? { node } : {}),
        http: names.map((name) => httpEntry({ cluster: `${name}.shop:80`, status: 200 })),
      }),
    );
  const entries = async (): Promise<number> =>
    [...(await metric(server, 'tendril_als_entries_total')).values()].reduce((sum, value) => sum + value, 0);

  use(NAMES.slice(0, 2), true);
  await until(
    async () => ((await entries()) === 2 ? true : undefined),
    () => `the entries did not arrive: ${server.err()}`,
  );
  process.kill(coreOf(server), 'SIGKILL');
  await writable(server, 'after-1');
  await allObserved(server, NAMES.slice(0, 2));

  use(NAMES.slice(2), false);
  await allObserved(server, NAMES);
  process.kill(coreOf(server), 'SIGKILL');
  await writable(server, 'after-2');
  await allObserved(server, NAMES);
  const { edges } = (await (await fetch(`${server.api}/v1/graph?focus=web.shop&depth=1`)).json()) as {
    readonly edges: readonly Edge[];
  };
  assert.equal(edges.length, NAMES.length, 'each edge once');
  assert.equal((await server.stop()).code, 0);
});
