import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { cleanUp, serve, temporaryFolder, until } from '../cli/support/tendril.ts';
import { allConnected, allHold, coreOf, endpointEvent, post, serviceEvents, writable } from '../runtime/support.ts';
import { Fleet } from '../support/fleet.ts';
import { grayRounds } from './gray-rounds.ts';
import { Replay } from './replay.ts';

after(cleanUp);

// Both wait: at the same time.
describe('F-gray', { concurrency: 2 }, () => {
  test('one of two servers stands still: its sidecars move, get nothing twice, and no version goes back', (context) =>
    grayRounds(context, 1));

  test('a core that stands still: streams and questions go on, writes wait, and what comes after is seen by all', async (context) => {
    const data = join(temporaryFolder(), 'data');
    const server = await serve(['--data', data, '--workers', '1']);
    assert.equal(
      await post(
        server,
        ['svc-0', 'svc-1'].flatMap((name) => serviceEvents(name)),
      ),
      200,
    );
    const fleet = new Fleet({ port: server.xdsPort, size: 4, caller: (index) => `web-${index}.shop` });
    context.after(() => fleet.close());
    await allConnected(fleet);
    for (const sidecar of fleet.sidecars) sidecar.ask('svc-0');
    await allHold(fleet, 'outbound/svc-0.shop:80');
    const core = coreOf(server);
    process.kill(core, 'SIGSTOP');
    context.after(() => {
      try {
        process.kill(core, 'SIGCONT');
      } catch {
        // Gone with its server.
      }
    });
    let answered = false;
    const write = post(server, [endpointEvent('svc-0', '10.0.0.7')]).then((status) => {
      answered = true;
      return status;
    });
    // Nobody has asked for it before; the edge is told to a core that does not listen.
    for (const sidecar of fleet.sidecars) sidecar.ask('svc-1');
    await allHold(fleet, 'outbound/svc-1.shop:80');
    assert.equal(answered, false, 'a core that stands still has answered');
    process.kill(core, 'SIGCONT');
    assert.equal(await write, 200);
    await until(
      () =>
        fleet.sidecars.every(({ session }) => session.endpoints('svc-0.shop:80')?.[0]?.address === '10.0.0.7')
          ? true
          : undefined,
      () => server.err(),
    );
    await writable(server, 'after');
    assert.equal(coreOf(server), core, 'it was not replaced');
    assert.deepEqual([fleet.sum('streams'), fleet.sum('refused')], [4, 0]);
    await new Replay(data).requireLive(server.api);
    fleet.close();
    assert.equal((await server.stop()).code, 0, server.err());
  });
});
