/**
 * From `POST /v1/events` sent to the change received by a connected sidecar, over the durable log, one change at a time at a
 * steady rate (issue 3, section 9). Server in processes of its own; this process holds one sidecar client and posts.
 */
import { connectSidecar } from '../src/sidecar-client/index.ts';
import { serviceEvents, startMesh } from '../test/e2e/harness.ts';
import { type Spread, spreadOf } from './spread.ts';

export interface PropagationFigures {
  readonly events: number;
  readonly perSecond: number;
  /** POST sent -> received, ms. */
  readonly received: Spread;
  /** POST sent -> answered (durable and folded), ms. */
  readonly answered: Spread;
  readonly missing: number;
}

const CLUSTER = 'target.default:8080';
const WAIT_MS = 2_000;

export const run = async (
  options: { readonly events?: number; readonly perSecond?: number } = {},
): Promise<PropagationFigures> => {
  const { events = 2_000, perSecond = 50 } = options;
  const mesh = await startMesh({ workers: 1, log: 'lmdb', child: true });
  const arrivals = new Map<string, number>();
  try {
    await mesh.events(
      ...serviceEvents(
        'target',
        [{ port: 8080, protocol: 'http' }],
        [{ id: 'one', address: '10.0.0.1', ports: { 8080: 8080 } }],
      ),
    );
    const client = connectSidecar({
      addresses: [mesh.server.xds],
      node: { id: 'bench-receiver', cluster: 'caller.default' },
      onUpdate: () => {
        const [endpoint] = client.endpoints(CLUSTER) ?? [];
        if (endpoint !== undefined && !arrivals.has(endpoint.address))
          arrivals.set(endpoint.address, performance.now());
      },
    });
    try {
      await client.hold('target.default:8080');
      const { admin } = mesh.server;
      const url = `http://${admin.host}:${admin.port}/v1/events`;
      const sent = new Map<string, number>();
      const answered: number[] = [];
      const posts: Promise<void>[] = [];
      const begun = performance.now();
      for (let index = 0; index < events; index++) {
        const due = begun + (index * 1_000) / perSecond;
        await new Promise((next) => setTimeout(next, Math.max(0, due - performance.now())));
        const address = `10.1.${(index >> 8) & 255}.${index & 255}`;
        const data = { namespace: 'default', service: 'target', id: 'one', address, ports: { 8080: 8080 } };
        const body = JSON.stringify({ events: [{ type: 'endpoint.registered', data }] });
        const at = performance.now();
        sent.set(address, at);
        posts.push(
          fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } }).then(
            async (response) => {
              answered.push(performance.now() - at);
              if (!response.ok) throw new Error(`POST answered ${response.status}: ${await response.text()}`);
              await response.arrayBuffer();
            },
          ),
        );
      }
      await Promise.all(posts);
      await new Promise((next) => setTimeout(next, WAIT_MS));
      const received = [...sent].flatMap(([address, at]) => {
        const arrived = arrivals.get(address);
        return arrived === undefined ? [] : [arrived - at];
      });
      return {
        events,
        perSecond,
        received: spreadOf(received),
        answered: spreadOf(answered),
        missing: events - received.length,
      };
    } finally {
      await client.close();
    }
  } finally {
    await mesh.stop();
  }
};
