/**
 * A replica for the fault F-zombie: real log on Kafka, fold, gateway and choice of the keeper, short waits. As a keeper it writes events
 * fenced by its term without a pause, so that one that is stopped wakes up in the midst of it.
 *
 * Arguments: data directory, log, id. Says `serving PORT`, then `keeper TERM` whenever its term begins, and `proof OFFSET HASH` when asked.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Ingest, OWN_SOURCE } from '../../src/ingest/index.ts';
import { openEventLog } from '../../src/log/index.ts';
import { Projector } from '../../src/projector/index.ts';
import { ReplicaGroup, type ReplicaStatement } from '../../src/runtime/replicas/index.ts';

const [dir = '', kind = '', id = ''] = process.argv.slice(2);
const MESH = 'default';
const ROUND_MS = 40;
const LOST_MS = 200;
const EDGE = { from: 'web.shop', to: 'cart.shop:80' };

const clock = { now: Date.now };
const log = await openEventLog({ kind, dir, mesh: MESH, clock });
const projector = await Projector.open({ dir, log, mesh: MESH, clock });
const { fold } = projector;
const ingest = new Ingest({
  log,
  fold: {
    outcomes: async (offsets) => {
      await projector.waitFor(offsets.at(-1) ?? 0);
      return projector.outcomesOf(offsets);
    },
    visible: async () => true,
    lag: () => projector.lag(),
  },
  now: Date.now,
  newId: randomUUID,
});
const submit = async (event: object): Promise<string | undefined> =>
  (await ingest.submit({ events: [event], caller: OWN_SOURCE, internal: true })).events[0]?.status;

const holderName = `${id}/${randomUUID()}`;
const statement = (): ReplicaStatement => ({
  id,
  mesh: MESH,
  version: 'test',
  state: 'serving',
  offset: projector.notice.offset,
  sidecars: 0,
  proofs: [],
});
const silent = (): void => undefined;
const group = new ReplicaGroup({
  self: id,
  holderName,
  mesh: MESH,
  state: fold,
  statement,
  ingest,
  monotonic: () => performance.now(),
  onOdd: silent,
  onBegin: async () => undefined,
  isOut: () => false,
  logger: { info: silent, warn: silent, error: silent },
  roundMs: ROUND_MS,
  lostMs: LOST_MS,
  // A stopped process keeps its connections: whoever asks it is to notice soon.
  peer: (admin) => ({
    statement: async () =>
      (await (
        await fetch(`${admin}/v1/replica`, { signal: AbortSignal.timeout(LOST_MS / 2) })
      ).json()) as ReplicaStatement,
    ask: async () => ({ answers: [], complete: false }),
  }),
});
const server = createServer((_request, response) => response.end(JSON.stringify(statement())));
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;
group.start(`http://127.0.0.1:${port}`);
process.stdout.write(`serving ${port}\n`);

let term = 0;
let seen = 0;
const keep = async (): Promise<void> => {
  const choice = group.keeper();
  if (choice === 'theirs') return;
  if (choice === 'begin') {
    const next = fold.keeperEpoch('edges') + 1;
    if (
      (await submit({ type: 'keeper.elected', data: { keeper: 'edges', epoch: next, holder: holderName } })) ===
      'applied'
    ) {
      term = next;
      process.stdout.write(`keeper ${term}\n`);
    }
    return;
  }
  // Several at once, all decided on what is known now: some of them are on their way when the process is stopped.
  const evidence = 'observed';
  await submit({ type: 'dependency.observed', data: { ...EDGE, evidence } });
  seen = fold.edges(EDGE.from).find(EDGE.to)?.lastOffset ?? seen;
  await Promise.all(
    [0, 1, 2].map(() =>
      submit({ type: 'dependency.expired', data: { ...EDGE, seen: Math.max(1, seen), epoch: term } }),
    ),
  );
};

let stopping = false;
process.stdin.on('data', () => {
  stopping = true;
});
while (!stopping) {
  await keep().catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
  await new Promise((resolve) => setTimeout(resolve, 2));
}
await group.close();
const { offset } = log.head();
await projector.waitFor(offset);
const proof = projector.proof();
process.stdout.write(`proof ${proof?.offset} ${proof?.hash}\n`);
await projector.close();
await log.close();
process.exit(0);
